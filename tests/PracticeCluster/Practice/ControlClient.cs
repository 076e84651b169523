using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json.Nodes;

namespace Telepresence.PracticeCluster.Practice;

/// <summary>Sends a verb to a running cluster.</summary>
internal static class ControlClient
{
    public static string SocketPath(string stateDirectory) => Path.Combine(stateDirectory, "practice.sock");

    /// <returns>Exit code and text; code 2 when no cluster answers.</returns>
    public static async Task<(int Code, string Text)> SendAsync(string stateDirectory, string verb, IReadOnlyList<string> arguments, CancellationToken cancel)
    {
        using var handler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, token) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(SocketPath(stateDirectory)), token).ConfigureAwait(false);
                return new NetworkStream(socket, ownsSocket: true);
            },
        };
        using var client = new HttpClient(handler) { Timeout = TimeSpan.FromMinutes(5) };
        try
        {
            var body = new JsonObject { ["arguments"] = Json.ArrayOf(arguments) };
            using var response = await client.PostAsJsonAsync($"http://practice/practice/{verb}", body, cancel).ConfigureAwait(false);
            var answer = await response.Content.ReadFromJsonAsync<JsonObject>(cancel).ConfigureAwait(false);
            return response.IsSuccessStatusCode ? (0, answer.Str("text") ?? "") : (1, answer.Str("error") ?? "failed");
        }
        catch (HttpRequestException)
        {
            return (2, $"no practice cluster is up in {stateDirectory}");
        }
    }
}
