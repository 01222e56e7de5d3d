# make image, or: docker build --build-arg REVISION="$(git describe --always --dirty)" -t clbench .   docs/container.md
# CUDA's -base image is enough: torch's wheels bring the CUDA libraries they were built for, torch 2.13.0's CUDA 13.0.
ARG BASE_IMAGE=nvidia/cuda:13.0.2-base-ubuntu24.04@sha256:2ab6381d970b211fb93853796dc6707eb8a72575a375c422b17cf4d8b2641701

FROM ${BASE_IMAGE} AS python
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 python3-venv \
 && apt-get clean && rm -rf /var/lib/apt/lists/*

# A stage of its own: the dependencies' layer depends on this list alone, not on the rest of pyproject.toml.
FROM python AS wanted
COPY pyproject.toml /
RUN python3 -c 'import tomllib; read = tomllib.load(open("/pyproject.toml", "rb")); \
print(*read["project"]["dependencies"], *read["build-system"]["requires"], "editables", sep="\n")' > /wanted.txt

FROM python AS dependencies
COPY constraints.txt /
COPY --from=wanted /wanted.txt /
RUN python3 -m venv /opt/venv \
 && /opt/venv/bin/python -m pip install --no-cache-dir -c /constraints.txt -r /wanted.txt

FROM ${BASE_IMAGE}
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# Triton compiles its launchers when a network is compiled on a GPU: it wants gcc, libc's headers and Python's.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates gcc libc6-dev libgomp1 libpython3-dev python3 tini \
 && apt-get clean && rm -rf /var/lib/apt/lists/* /var/log/* /var/cache/ldconfig/aux-cache \
 && chmod o-w /run/lock \
 && mkdir /data && mkdir -m 1777 /results
COPY --from=dependencies /opt/venv /opt/venv
COPY . /opt/clbench
RUN /opt/venv/bin/python -m pip install --no-cache-dir --no-deps --no-build-isolation --editable /opt/clbench \
 && /opt/venv/bin/python -m compileall -q /opt/clbench/src

# Any --user may have no home and no name: what wants either finds it here.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    USER=clbench \
    MPLCONFIGDIR=/tmp/matplotlib \
    TRITON_CACHE_DIR=/tmp/triton \
    TORCHINDUCTOR_CACHE_DIR=/tmp/inductor \
    CLBENCH_DATA=/data \
    CLBENCH_STORE=/results/store \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
ARG REVISION=unknown
ENV CLBENCH_REVISION=${REVISION}
LABEL org.opencontainers.image.title="clbench" \
      org.opencontainers.image.description="Continual learning for 3-D medical segmentation on nnU-Net v2, measured" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"

VOLUME ["/data", "/results"]
WORKDIR /results
USER 1000:1000
ENTRYPOINT ["tini", "--", "clbench"]
CMD ["--help"]
