# The node in one container: CPU by default, NVIDIA GPU with --build-arg RUNTIME=gpu.
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
ARG RUNTIME=cpu
WORKDIR /src
RUN python -m venv /opt/cxr-node
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY dicom_node dicom_node
COPY inference inference
COPY storage storage
RUN /opt/cxr-node/bin/pip install --no-cache-dir --disable-pip-version-check \
    --constraint constraints.txt ".[${RUNTIME},postgres,s3]"

FROM python:${PYTHON}-slim
# letters for the names of patients on the report page; the newest of the release, whose fixes are wanted
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends fonts-droid-fallback fonts-nanum && rm -rf /var/lib/apt/lists/*
# 10001: a fixed number, so that a volume's owner can be set from outside
RUN groupadd --gid 10001 cxr && useradd --uid 10001 --gid cxr --no-create-home --home-dir /var/lib/cxr-node cxr \
    && install -d -o cxr -g cxr -m 0700 /var/lib/cxr-node
COPY --from=build /opt/cxr-node /opt/cxr-node
COPY conf/node.toml /etc/cxr-node/node.toml
ENV PATH=/opt/cxr-node/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    CXR_NODE__NODE__DATA_DIR=/var/lib/cxr-node \
    CXR_NODE__DIMSE__HOST=0.0.0.0
USER 10001:10001
WORKDIR /var/lib/cxr-node
VOLUME /var/lib/cxr-node
EXPOSE 11112 8042
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8042/health/live', timeout=4)"]
ENTRYPOINT ["cxr-node"]
CMD ["serve", "--config", "/etc/cxr-node/node.toml"]
