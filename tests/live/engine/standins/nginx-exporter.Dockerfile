# As the official image: one program, user 1001; what else this one holds (a shell) must not be relied on.
ARG BASE
FROM ${BASE} AS packages
RUN apt-get update -qq \
    && cd /tmp && apt-get download -qq prometheus-nginx-exporter \
    && for package in *.deb; do dpkg-deb --extract "$package" /unpacked; done

FROM ${BASE}
COPY --from=packages /unpacked/usr/bin/prometheus-nginx-exporter /usr/bin/nginx-prometheus-exporter
USER 1001:1001
EXPOSE 9113
ENTRYPOINT ["/usr/bin/nginx-prometheus-exporter"]
