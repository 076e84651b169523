using Telepresence.Tunnel.Io;

namespace Telepresence.Proxy;

/// <summary>
/// Restores the swapped Deployment when no client has been heard for a while: the client's machine crashed, or is cut off for good.
/// </summary>
/// <remarks>
/// Silence begins when the last link ends, or with the proxy; a link that comes back before the restore has succeeded calls it off. Once
/// begun it is tried again and again, for ever: a service that stays away because somebody's laptop did is the worst that this program
/// can do. After it the stand-in is deleted, and with it this pod.
/// </remarks>
internal sealed class Restorer : ITurnHandler, IDisposable
{
    private const long Second = 1_000_000;
    private static readonly TimeSpan FirstDelay = TimeSpan.FromSeconds(1), LongestDelay = TimeSpan.FromSeconds(30);

    private readonly ProxyHost _host;
    private readonly RestoreOrder _order;
    private readonly Func<RestoreClient> _connect;
    private readonly TimeProvider _time;
    private readonly Action<string> _log;
    private CancellationTokenSource? _attempt;
    private long _silentSince;
    private bool _restored;

    /// <summary>Watches for silence. On the loop's thread.</summary>
    /// <param name="host">Knows whether there is a client.</param>
    /// <param name="order">What to restore and when.</param>
    /// <param name="connect">Makes the way to the API server.</param>
    /// <param name="time">The clock between attempts.</param>
    /// <param name="log">The proxy's log.</param>
    internal Restorer(ProxyHost host, RestoreOrder order, Func<RestoreClient> connect, TimeProvider time, Action<string> log)
    {
        _host = host;
        _order = order;
        _connect = connect;
        _time = time;
        _log = log;
        _silentSince = host.Loop.Now;
        host.Loop.AddTurnHandler(this);
    }

    /// <inheritdoc/>
    public long NextDeadline => _silentSince == long.MaxValue || _attempt is not null || _restored ? long.MaxValue : _silentSince + (_order.After * Second);

    /// <inheritdoc/>
    public void OnTurn(long now)
    {
        if (_restored)
            return;
        if (_host.HasClient)
        {
            _silentSince = long.MaxValue;
            if (_attempt is null)
                return;
            _log("a client is back; nothing is restored");
            Dispose();
            return;
        }

        if (_silentSince == long.MaxValue)
            _silentSince = now;
        if (_attempt is not null || now < NextDeadline)
            return;
        _log($"no client was heard for {_order.After} seconds: restoring deployment {_order.Deployment}");
        _attempt = new CancellationTokenSource();
        CancellationToken cancellation = _attempt.Token;
        _ = Task.Run(() => RunAsync(cancellation));
    }

    /// <summary>Calls off an attempt that is not through yet. On the loop's thread, or when that has ended.</summary>
    public void Dispose()
    {
        _attempt?.Cancel();
        _attempt?.Dispose();
        _attempt = null;
    }

    private async Task RunAsync(CancellationToken cancellation)
    {
        try
        {
            string done = await InsistAsync(static (client, cancellation) => client.RestoreAsync(cancellation), cancellation).ConfigureAwait(false);
            _host.Loop.Post(() =>
            {
                _restored = true;
                _log(done);
                _host.SayGoodbye($"deployment {_order.Deployment} was restored by this pod, as its client was not heard for {_order.After} seconds");
            });

            // Not to be called off any more.
            await InsistAsync(
                static async (client, cancellation) =>
                {
                    await client.DeleteStandInAsync(cancellation).ConfigureAwait(false);
                    return "";
                },
                CancellationToken.None).ConfigureAwait(false);
            _log($"deployment {_order.StandIn} is deleted, this pod ends with it");
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            // A client is back.
        }
    }

    private async Task<string> InsistAsync(Func<RestoreClient, CancellationToken, Task<string>> work, CancellationToken cancellation)
    {
        string? told = null;
        for (TimeSpan delay = FirstDelay; ; delay = delay * 2 < LongestDelay ? delay * 2 : LongestDelay)
        {
            try
            {
                using RestoreClient client = _connect();
                return await work(client, cancellation).ConfigureAwait(false);
            }
            catch (Exception fault) when (!cancellation.IsCancellationRequested)
            {
                // Whatever it is, giving up helps nobody. Said once for each reason.
                if (fault.Message != told)
                    _log($"not restored yet, trying again: {told = fault.Message}");
            }

            await Task.Delay(delay, _time, cancellation).ConfigureAwait(false);
        }
    }
}
