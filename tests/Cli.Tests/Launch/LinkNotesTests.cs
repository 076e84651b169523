using Microsoft.Extensions.Time.Testing;

using Telepresence.Cli.Launch;

namespace Telepresence.Cli.Tests.Launch;

public sealed class LinkNotesTests : IDisposable
{
    private readonly FakeTimeProvider _clock = new();
    private readonly List<string> _said = [];
    private readonly LinkNotes _notes;

    public LinkNotesTests() => _notes = new LinkNotes(_said.Add, TimeSpan.FromSeconds(2), _clock);

    public void Dispose() => _notes.Dispose();

    [Fact]
    public void A_short_loss_is_mentioned_once_when_it_is_over()
    {
        _notes.OnLink("reset");
        _clock.Advance(TimeSpan.FromSeconds(1.5));
        Assert.Empty(_said);
        _notes.OnLink(null);
        Assert.Equal(["The link to the cluster is back after 1.5 s; nothing was lost."], _said);
        _clock.Advance(TimeSpan.FromSeconds(10));
        Assert.Single(_said);
    }

    [Fact]
    public void A_long_one_is_mentioned_while_it_lasts()
    {
        _notes.OnLink("no route to host.");
        _clock.Advance(TimeSpan.FromSeconds(2));
        _notes.OnLink("still none");
        _clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(["The link to the cluster is down; connections wait until it is back (no route to host)."], _said);
        _notes.OnLink(null);
        Assert.Equal(2, _said.Count);
    }

    [Fact]
    public void The_first_link_is_no_news()
    {
        _notes.OnLink(null);
        Assert.Empty(_said);
    }
}
