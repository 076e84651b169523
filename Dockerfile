# The proxy's image, for those who have a container engine:
#   docker build -t telepresence/telepresence-k8s:1.0.0 .
# scripts/image builds the same contents without one.
FROM mcr.microsoft.com/dotnet/sdk:10.0 AS build
WORKDIR /src
COPY Directory.Build.props Directory.Packages.props global.json ./
COPY src/Tunnel src/Tunnel
COPY src/Proxy src/Proxy
RUN dotnet publish src/Proxy/Proxy.csproj -c Release -r linux-x64 --self-contained --artifacts-path /artifacts -o /published \
      -p:PublishReadyToRun=true -p:PublishTrimmed=true -p:ContinuousIntegrationBuild=true -p:DebugType=none \
 && cd /published \
 && rm -f *.xml *.pdb createdump libmscordaccore.so libmscordbi.so libcoreclrtraceptprovider.so libclrgc.so libclrgcexp.so

FROM debian:12-slim AS libraries
RUN apt-get update \
 && apt-get install -y --no-install-recommends libgcc-s1 libstdc++6 libssl3 libnss-wrapper openssh-sftp-server \
 && library=/usr/lib/x86_64-linux-gnu \
 && mkdir -p /image/etc /image/proc /image/sys /image/dev /image/tmp /image$library /image/usr/lib64 \
      /image/usr/lib/openssh /image/home/telepresence /image/opt \
 && ln -s usr/lib /image/lib && ln -s usr/lib64 /image/lib64 \
 && for so in ld-linux-x86-64.so.2 libc.so.6 libm.so.6 libdl.so.2 libpthread.so.0 librt.so.1 libresolv.so.2 libnss_dns.so.2 \
      libnss_files.so.2 libgcc_s.so.1 libstdc++.so.6 libssl.so.3 libcrypto.so.3 libnss_wrapper.so; do cp -L $library/$so /image$library/; done \
 && ln -s ../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 /image/usr/lib64/ld-linux-x86-64.so.2 \
 && cp /usr/lib/openssh/sftp-server /image/usr/lib/openssh/ \
 && printf 'root:x:0:0:root:/:/usr/sbin/nologin\ntelepresence:x:65532:65532:telepresence:/home/telepresence:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n' >/image/etc/passwd \
 && printf 'root:x:0:\ntelepresence:x:65532:\nnogroup:x:65534:\n' >/image/etc/group \
 && printf 'passwd: files\ngroup: files\nhosts: files dns\nnetworks: files\nservices: files\n' >/image/etc/nsswitch.conf

FROM scratch
COPY --from=libraries /image/ /
COPY --from=build /published/ /opt/telepresence/
USER 65532:65532
ENV PATH=/opt/telepresence DOTNET_EnableDiagnostics=0 DOTNET_TieredPGO=0 DOTNET_GCgen0size=0x400000
ENTRYPOINT ["/opt/telepresence/telepresence-proxy"]
