/* Remembers what fsync made durable: file contents, and the names in directories.

   Preloaded into a node. Everything below POWER_ROOT that is synced is copied to
   POWER_SHADOW under its inode's number before fsync returns. */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int name_of(int at, const char *name, int flags, char *key, size_t size, int *directory)
{
    struct stat seen;
    if (fstatat(at, name, &seen, flags | AT_SYMLINK_NOFOLLOW))
        return -1;
    *directory = S_ISDIR(seen.st_mode);
    snprintf(key, size, "%llu", (unsigned long long)seen.st_ino);
    return 0;
}

static void copy_names(const char *path, FILE *out)
{
    DIR *directory = opendir(path);
    if (!directory)
        return;
    struct dirent *entry;
    while ((entry = readdir(directory))) {
        char key[128];
        int is_directory;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        if (!name_of(dirfd(directory), entry->d_name, 0, key, sizeof key, &is_directory))
            fprintf(out, "%c %s %s\n", is_directory ? 'd' : 'f', key, entry->d_name);
    }
    closedir(directory);
}

static void copy_content(const char *path, FILE *out)
{
    static __thread char piece[1 << 16];
    int in = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t count;
    if (in < 0)
        return;
    while ((count = read(in, piece, sizeof piece)) > 0)
        fwrite(piece, 1, (size_t)count, out);
    close(in);
}

static void remember(int descriptor)
{
    const char *root = getenv("POWER_ROOT"), *shadow = getenv("POWER_SHADOW");
    char link[64], path[4096], key[128], fresh[4300], kept[4300];
    int is_directory;
    if (!root || !shadow)
        return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return;
    path[length] = 0;
    if (strncmp(path, root, strlen(root)) ||
        name_of(descriptor, "", AT_EMPTY_PATH, key, sizeof key, &is_directory))
        return;
    snprintf(kept, sizeof kept, "%s/%s", shadow, key);
    snprintf(fresh, sizeof fresh, "%s/new-%d-%d-%s", shadow, getpid(), gettid(), key);
    FILE *out = fopen(fresh, "we");
    if (!out)
        return;
    if (is_directory)
        copy_names(path, out);
    else
        copy_content(link, out);
    /* A process that is killed here has not been told that anything is durable. */
    fclose(out);
    rename(fresh, kept);
}

static int synced(const char *name, int descriptor)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    int result = real(descriptor), error = errno;
    if (!result)
        remember(descriptor);
    errno = error;
    return result;
}

int fsync(int descriptor) { return synced("fsync", descriptor); }
int fdatasync(int descriptor) { return synced("fdatasync", descriptor); }
