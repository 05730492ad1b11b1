# As the official image: /bin/prometheus and /bin/promtool as nobody, data in /prometheus, busybox for a shell.
ARG BASE
FROM ${BASE} AS packages
RUN apt-get update -qq \
    && cd /tmp && apt-get download -qq busybox-static prometheus promtool \
    && for package in *.deb; do dpkg-deb --extract "$package" /unpacked; done

FROM ${BASE}
COPY --from=packages /unpacked/usr/bin/prometheus /unpacked/usr/bin/promtool /bin/
COPY --from=packages /unpacked/usr/bin/busybox /bin/busybox
COPY --from=packages /unpacked/etc/prometheus/prometheus.yml /etc/prometheus/prometheus.yml
RUN ln -s busybox /bin/wget && mkdir -p /prometheus && chown 65534:65534 /prometheus /etc/prometheus
USER nobody
EXPOSE 9090
VOLUME ["/prometheus"]
WORKDIR /prometheus
ENTRYPOINT ["/bin/prometheus"]
CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
