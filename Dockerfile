# The image of the Space (sdk: docker), and of any machine with a container engine: docker run -p 7860:7860 …
# The Python that requirements.lock was made for. torch comes from PyPI with its CUDA libraries.
FROM python:3.11-slim

# The library that compiles the sandbox's filter of system calls.
RUN apt-get update && apt-get install -y --no-install-recommends libseccomp2 && rm -rf /var/lib/apt/lists/*

# Everything up to USER belongs to root: whoever takes over the app can't change its code nor its packages.
WORKDIR /app
COPY requirements.lock .
# One package is published as source only; what builds it comes from the lock too, and so comes first.
RUN grep -E -A1 '^(packaging|setuptools|setuptools-scm|typing-extensions|vcs-versioning)==' requirements.lock \
        | grep -v '^--$' > /tmp/build.lock \
    && pip install --no-cache-dir --require-hashes -r /tmp/build.lock \
    && pip install --no-cache-dir --require-hashes --no-build-isolation -r requirements.lock \
    && rm /tmp/build.lock
COPY . .
RUN chmod -R a+rX,go-w . && python -m compileall -q app.py ui engine
# Packages of choices that need other versions than the rest (SpanMarker, PPO), each in a folder of its own.
ENV ANNOTUNE_OVERLAYS=/opt/annotune-overlays
RUN python -m engine overlays

RUN useradd --create-home --uid 1000 user
USER user
# SYSTEM: a Docker Space does not set it, and without it Gradio would sign every visitor in as the owner of HF_TOKEN.
ENV HOME=/home/user \
    PYTHONUNBUFFERED=1 \
    SYSTEM=spaces \
    GRADIO_SERVER_NAME=0.0.0.0 \
    GRADIO_SERVER_PORT=7860 \
    GRADIO_ANALYTICS_ENABLED=False \
    GRADIO_TEMP_DIR=/home/user/tmp \
    TRITON_CACHE_DIR=/home/user/.triton \
    HF_HUB_DISABLE_TELEMETRY=1

EXPOSE 7860
CMD ["python", "app.py"]
