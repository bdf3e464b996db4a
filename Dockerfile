# The pipeline with its locked packages, for Kubeflow and for hosts that set-up does not cover.
# Debian 13, because two of TFX's wheels need glibc 2.38.
#   docker build -t remedis-tfx .
#   docker build -t remedis-tfx:cuda --build-arg ACCELERATOR=cuda .    (NVIDIA's libraries, for GPUs)
ARG BASE=python:3.11-slim-trixie

FROM ${BASE} AS packages
ARG ACCELERATOR=cpu
WORKDIR /build
COPY requirements.lock requirements-cuda.lock requirements-dev.lock ./
# uv as the development lock pins it; it stays in this stage.
RUN awk '/^[^ #]/ { keep = /^uv==/ } keep' requirements-dev.lock > uv.lock \
    && python -m pip install --no-cache-dir --require-hashes --requirement uv.lock \
    && python -m venv --without-pip /opt/venv \
    && set -- requirements.lock \
    && case "$ACCELERATOR" in cpu) ;; cuda) set -- "$@" requirements-cuda.lock ;; \
        *) echo "ACCELERATOR=$ACCELERATOR: give cpu or cuda" >&2; exit 2 ;; esac \
    && uv pip sync --no-cache --python /opt/venv/bin/python --require-hashes --compile-bytecode \
        --build-constraints requirements.lock "$@"

FROM ${BASE}
LABEL org.opencontainers.image.title="remedis-tfx" \
      org.opencontainers.image.licenses="Apache-2.0"
# Kubeflow's launcher, running as this user, copies inputs and outputs below the first three.
RUN useradd --uid 1000 --create-home remedis \
    && install --directory --owner=remedis /minio /s3 /gcs /app/runs
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY . .
RUN rm requirements-cuda.lock requirements-dev.lock && /opt/venv/bin/python -m compileall -q .
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1
USER 1000
CMD ["python", "local_runner.py", "--preset", "demo", "--output", "runs/demo"]
