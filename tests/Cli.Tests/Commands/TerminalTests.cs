using Telepresence.Cli.Commands;

namespace Telepresence.Cli.Tests.Commands;

public sealed class TerminalTests
{
    [Fact]
    public void What_the_cluster_says_does_not_command_the_terminal()
    {
        StringWriter output = new(), error = new();
        Terminal terminal = new("connect", json: false, output, error);
        terminal.Say("Connected to \u001b[2Jcontext");
        terminal.Note("Waiting: \u001b]0;title\u0007 \u009b31m");
        terminal.Fail("no\rway");
        Assert.Equal("Connected to ?[2Jcontext\n", output.ToString());
        Assert.Equal("Waiting: ?]0;title? ?31m\ntelepresence connect: error: no?way\n", error.ToString());
    }
}
