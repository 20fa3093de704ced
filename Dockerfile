# The image of the Space (sdk: docker), and of any machine with a container engine: docker run -p 7860:7860 …
# The same Python as the test suite's. torch comes from PyPI with its CUDA libraries; nothing is compiled here.
FROM python:3.11-slim

RUN useradd --create-home --uid 1000 user
USER user

# SYSTEM: a Docker Space does not set it, and without it Gradio would sign every visitor in as the owner of HF_TOKEN.
ENV HOME=/home/user \
    PATH=/home/user/.local/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    SYSTEM=spaces \
    GRADIO_SERVER_NAME=0.0.0.0 \
    GRADIO_SERVER_PORT=7860 \
    GRADIO_ANALYTICS_ENABLED=False \
    GRADIO_TEMP_DIR=/home/user/tmp \
    TRITON_CACHE_DIR=/home/user/.triton \
    HF_HUB_DISABLE_TELEMETRY=1

WORKDIR /home/user/app
COPY --chown=user requirements.txt .
RUN pip install --no-cache-dir --user -r requirements.txt
COPY --chown=user . .
RUN python -m compileall -q app.py ui engine
# Packages of choices that need other versions than the rest (SpanMarker, PPO), each in a folder of its own.
ENV ANNOTUNE_OVERLAYS=/home/user/overlays
RUN python -m engine overlays

EXPOSE 7860
CMD ["python", "app.py"]
