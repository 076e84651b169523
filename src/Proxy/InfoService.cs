using System.Text.Json;

using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Proxy;

/// <summary>Answers streams of kind <see cref="StreamKind.Info"/> with the pod's report, made anew for each.</summary>
internal sealed class InfoService(PodInspector inspector)
{
    internal void Serve(MuxStream stream, long now)
    {
        byte[] report = JsonSerializer.SerializeToUtf8Bytes(inspector.Inspect(), PodReportJson.Default.PodReport);
        Outgoing outgoing = new(report);
        stream.Handler = outgoing;
        stream.Accept(default, now);
        outgoing.OnSendSpace(stream, now);
    }

    /// <summary>Sends a document as credit allows, then the end.</summary>
    private sealed class Outgoing(byte[] document) : IMuxStreamHandler
    {
        private int _sent;

        public void OnSendSpace(MuxStream stream, long now)
        {
            int count = Math.Min(stream.SendSpace, document.Length - _sent);
            stream.Write(document.AsSpan(_sent, count), now);
            _sent += count;
            if (_sent == document.Length)
                stream.WriteEnd(now);
        }

        public void OnData(MuxStream stream, ReadOnlySpan<byte> bytes, long now) => stream.Consume(bytes.Length, now);

        public void OnEnd(MuxStream stream, long now)
        {
            // The asker has nothing to say.
        }

        public void OnReset(MuxStream stream, RefuseCode code, long now)
        {
            // A closed stream takes no more; nothing else is held.
        }

        public void OnRefused(MuxStream stream, RefuseCode code, string reason, long now) =>
            throw new InvalidOperationException("Only the side that was asked refuses a stream.");
    }
}
