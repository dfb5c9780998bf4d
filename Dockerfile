# syntax=docker/dockerfile:1
# The server as a small image: `docker build -t daybook .`
#
# Building needs the registries of images and of crates, nothing else.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
COPY . .
# The caches outlive a build, so that a change of Daybook does not build its dependencies again.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --bin daybook && \
    install -D -m 755 target/release/daybook /image/usr/local/bin/daybook && \
    install -d -m 700 -o 10001 -g 10001 /image/var/lib/daybook && \
    # For key sets and collectors behind https. PostgreSQL's certificates are checked with roots in the binary.
    install -D -m 644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt

# The same Debian as above: a binary needs the C library that it was linked with, or a newer one.
FROM debian:bookworm-slim
COPY --from=build /image/ /
# A number, so that Kubernetes can see that it is not root's.
USER 10001:10001
WORKDIR /var/lib/daybook
VOLUME /var/lib/daybook

# A container's port is reached from outside of it. Daybook refuses to start like this until it is told whose tokens it takes
# (DAYBOOK_JWKS or DAYBOOK_JWT_SECRET_FILE), or DAYBOOK_WITHOUT_AUTHENTICATION=true.
ENV DAYBOOK_LISTEN=0.0.0.0:8000 \
    DAYBOOK_DATABASE_URL=sqlite:///var/lib/daybook/daybook.db?mode=rwc \
    # Docker kills a container ten seconds after it has asked it to stop.
    DAYBOOK_DRAIN=8s
EXPOSE 8000

# Whether the process answers, not whether it is ready (/readyz): a restart does not bring a database back. The image has no curl, and
# bash can speak to a port. A server with TLS needs another check, or none.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8000 && printf 'GET /healthz HTTP/1.1\\r\\nhost: localhost\\r\\nconnection: close\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [ \"$status\" = 200 ]"]

ENTRYPOINT ["daybook"]
