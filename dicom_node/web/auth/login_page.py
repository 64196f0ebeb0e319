"""The page on which people sign in; its look is that of the node's sheet."""

from collections.abc import Sequence
from html import escape
from urllib.parse import quote

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<meta name="color-scheme" content="light dark">
{links}</head>
<body>
<main class="login">
<h1>{title}</h1>
{notice}<form class="login" method="post" action="/login">
<input type="hidden" name="next" value="{next}">
<label for="name">{name_label}</label>
<input id="name" name="name" autocomplete="username" required maxlength="200" autofocus>
<label for="password">{password_label}</label>
<input id="password" name="password" type="password" autocomplete="current-password"
 required maxlength="1000">
<button type="submit">{button}</button>
</form>
{elsewhere}</main>
</body>
</html>
"""

TEXTS = {
    "title": "Sign in to CXR Node",
    "name_label": "Name",
    "password_label": "Password",
    "button": "Sign in",
    "elsewhere": "Sign in with {provider}",
    "wrong": "The name or the password is wrong.",
    "wait": "Too many tries. Wait {minutes} minutes.",
    "busy": "Others are signing in just now. Try again.",
    "plain": "Passwords are not taken over an unencrypted connection: use HTTPS.",
    "refused": "{provider} did not let you in: {why}.",
    "no_role": "{provider} knows you, but none of your groups has a role here.",
}
"""All words of the page, in one place."""


def login_page(
    wanted: str,
    notice: str = "",
    provider: str | None = None,
    sheets: Sequence[str] = (),
) -> str:
    """Write the page.

    Parameters
    ----------
    wanted
        The path to go to afterwards.
    notice
        What went wrong.
    provider
        Who else can say who it is.
    sheets
        Addresses of the style sheets.
    """
    said = f'<p class="notice" role="alert">{escape(notice)}</p>\n' if notice else ""
    words = {name: escape(text) for name, text in TEXTS.items()}
    elsewhere = ""
    if provider is not None:
        text = escape(TEXTS["elsewhere"].format(provider=provider))
        place = f"/login/oidc?next={quote(wanted, safe='')}"
        elsewhere = f'<p><a class="button" href="{escape(place)}">{text}</a></p>\n'
    links = "".join(
        f'<link rel="stylesheet" href="{escape(sheet)}">\n' for sheet in sheets
    )
    return _PAGE.format(
        links=links,
        **(words | {"elsewhere": elsewhere}),
        next=escape(wanted),
        notice=said,
    )


def local_path(wanted: str) -> str:
    r"""Keep a path of this node, and nothing that a browser takes for another's.

    Browsers read ``/\`` as ``//``, and leave out tabs and line ends.
    """
    is_path = wanted.startswith("/") and not wanted.startswith(("//", "/\\"))
    return wanted if is_path and wanted.isprintable() else "/"
