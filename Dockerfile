# The proxy's image, for those who have a container engine:
#   docker build -t telepresence/telepresence-k8s:1.0.0 .
# scripts/image builds the same contents without one.
FROM mcr.microsoft.com/dotnet/sdk:10.0 AS sdk

# A native program wants a C library that is no older than the one it was linked with, so both are this Debian's.
FROM debian:12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates gcc libc6-dev libssl3 libstdc++6
COPY --from=sdk /usr/share/dotnet /usr/share/dotnet
ENV DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1
WORKDIR /src
COPY .editorconfig Directory.Build.props Directory.Packages.props global.json ./
COPY src/Tunnel src/Tunnel
COPY src/Proxy src/Proxy
RUN /usr/share/dotnet/dotnet publish src/Proxy/Proxy.csproj -c Release -r linux-x64 --artifacts-path /artifacts -o /published \
      -p:ContinuousIntegrationBuild=true -p:DebugType=none \
 && rm -f /published/*.xml

FROM debian:12-slim AS libraries
RUN apt-get update \
 && apt-get install -y --no-install-recommends libssl3 libnss-wrapper openssh-sftp-server \
 && library=/usr/lib/x86_64-linux-gnu \
 && mkdir -p /image/etc /image/proc /image/sys /image/dev /image/tmp /image$library /image/usr/lib64 \
      /image/usr/lib/openssh /image/home/telepresence /image/opt \
 && ln -s usr/lib /image/lib && ln -s usr/lib64 /image/lib64 \
 && for so in ld-linux-x86-64.so.2 libc.so.6 libm.so.6 libdl.so.2 libpthread.so.0 librt.so.1 libresolv.so.2 libnss_dns.so.2 \
      libnss_files.so.2 libssl.so.3 libcrypto.so.3 libnss_wrapper.so; do cp -L $library/$so /image$library/; done \
 && ln -s ../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 /image/usr/lib64/ld-linux-x86-64.so.2 \
 && cp /usr/lib/openssh/sftp-server /image/usr/lib/openssh/ \
 && printf 'root:x:0:0:root:/:/usr/sbin/nologin\ntelepresence:x:65532:65532:telepresence:/home/telepresence:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n' >/image/etc/passwd \
 && printf 'root:x:0:\ntelepresence:x:65532:\nnogroup:x:65534:\n' >/image/etc/group \
 && printf 'passwd: files\ngroup: files\nhosts: files dns\nnetworks: files\nservices: files\n' >/image/etc/nsswitch.conf

FROM scratch
COPY --from=libraries /image/ /
COPY --from=build /published/ /opt/telepresence/
USER 65532:65532
ENV PATH=/opt/telepresence
ENTRYPOINT ["/opt/telepresence/telepresence-proxy"]
