# The krauth sandbox: both APIs for development and tests, with credentials that are worth nothing.
#
#   docker build -t krauth-sandbox .
#   docker run --rm --network host krauth-sandbox
#
# The sandbox listens on 127.0.0.1 only, in a container too: it issues tokens to anyone who asks. So it shares the
# network of the host (above), or that of the program under test: docs/sandbox.md has an example for Compose.
FROM python:3.13-slim
WORKDIR /app
COPY pyproject.toml hatch_build.py README.md LICENSE constraints.txt ./
COPY src ./src
RUN python -m pip install --no-cache-dir --disable-pip-version-check -c constraints.txt '.[cli,sandbox]'
RUN rm -rf src
# No one in particular: the sandbox writes no file.
USER 65534:65534
ENTRYPOINT ["krauth", "sandbox"]
CMD ["--naver-port", "8081", "--meloming-port", "8082"]
