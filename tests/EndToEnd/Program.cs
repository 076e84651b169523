// The tests run in their runner's own process. This is the .NET program of the matrix: it prints what http://HOST/ answers.
using HttpClient client = new() { Timeout = TimeSpan.FromSeconds(20) };
Console.Write(await client.GetStringAsync($"http://{args[0]}/"));
