using System.Threading.Channels;

namespace Telepresence.PracticeCluster.Node;

/// <summary>Joins a program's ends with a caller's.</summary>
internal static class ProgramStreams
{
    /// <returns>The exit code, once all output has been handed over.</returns>
    internal static async Task<int> JoinAsync(StartedProgram program, ProcessStreams streams, CancellationToken cancel)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        Task input = FeedAsync(program, streams, ended.Token);
        try
        {
            await Task.WhenAll(
                CopyAsync(program.Output, streams.Stdout ?? Stream.Null, cancel),
                program.Error is Stream error ? CopyAsync(error, streams.Stderr ?? Stream.Null, cancel) : Task.CompletedTask);
            return await program.WaitAsync(cancel);
        }
        catch
        {
            program.Signal(Native.SignalKill);
            throw;
        }
        finally
        {
            await ended.CancelAsync();
            await input;
        }
    }

    /// <summary>Hands the caller's input and window sizes to the program until it has ended.</summary>
    internal static async Task FeedAsync(StartedProgram program, ProcessStreams streams, CancellationToken ended)
    {
        try
        {
            await Task.WhenAll(InputAsync(program, streams.Stdin, ended), ResizeAsync(program, streams.Resize, ended));
        }
        catch (OperationCanceledException)
        {
        }
        catch (IOException)
        {
            // The program has closed its input, or the caller has gone; neither is this side's to report.
        }
    }

    private static async Task InputAsync(StartedProgram program, Stream? input, CancellationToken ended)
    {
        byte[] buffer = new byte[16384];
        int read;
        while (input is not null && (read = await input.ReadAsync(buffer, ended)) > 0)
        {
            await program.Input.WriteAsync(buffer.AsMemory(0, read), ended);
            await program.Input.FlushAsync(ended);
        }

        const byte endOfTransmission = 4;
        if (program.Terminal is null)
            program.Input.Close();
        else if (input is not null)
            await program.Input.WriteAsync((byte[])[endOfTransmission], ended);
    }

    private static async Task ResizeAsync(StartedProgram program, ChannelReader<TerminalSize>? sizes, CancellationToken ended)
    {
        if (sizes is null || program.Terminal is null)
            return;
        await foreach (TerminalSize size in sizes.ReadAllAsync(ended))
            program.Terminal.Resize(size);
    }

    private static async Task CopyAsync(Stream from, Stream to, CancellationToken cancel)
    {
        byte[] buffer = new byte[32768];
        int read;
        while ((read = await StartedProgram.ReadAsync(from, buffer, cancel)) > 0)
        {
            await to.WriteAsync(buffer.AsMemory(0, read), cancel);
            await to.FlushAsync(cancel);
        }
    }
}
