# Builds the executable and runs it as a user without rights on a small base.
#
#   docker build -t roomwire .
#   docker run --rm --network host -e LIVEKIT_KEYS="key: secret" roomwire --node-ip 203.0.113.7

FROM node:22-bookworm-slim AS build
RUN npm install --global deno@2.9.6
WORKDIR /src
COPY . .
RUN deno task compile

FROM debian:bookworm-slim
# libcrypto, for native ciphers.
RUN apt-get update && apt-get install -y --no-install-recommends libssl3 && rm -rf /var/lib/apt/lists/*
RUN useradd --system --no-create-home --shell /usr/sbin/nologin roomwire
COPY --from=build /src/roomwire /usr/local/bin/roomwire
USER roomwire
# HTTP and WebSocket, media over TCP, media over UDP.
EXPOSE 7880/tcp 7881/tcp 7882/udp
ENTRYPOINT ["/usr/local/bin/roomwire"]
