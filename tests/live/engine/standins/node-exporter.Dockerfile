# As the official image: /bin/node_exporter as nobody, busybox for a shell.
ARG BASE
FROM ${BASE} AS packages
RUN apt-get update -qq \
    && cd /tmp && apt-get download -qq busybox-static prometheus-node-exporter \
    && for package in *.deb; do dpkg-deb --extract "$package" /unpacked; done

FROM ${BASE}
COPY --from=packages /unpacked/usr/bin/prometheus-node-exporter /bin/node_exporter
COPY --from=packages /unpacked/usr/bin/busybox /bin/busybox
RUN ln -s busybox /bin/wget
USER nobody
EXPOSE 9100
ENTRYPOINT ["/bin/node_exporter"]
