namespace Telepresence.Proxy.Tests;

public sealed class UserEntryTests
{
    private static readonly string[] Passwd = ["root:x:0:0:root:/:/bin/sh", "telepresence:x:65532:65532:telepresence:/:/bin/false", "", "broken"];

    [Theory]
    [InlineData(0, true)]
    [InlineData(65532, true)]
    [InlineData(7777, false)]
    [InlineData(6553, false)]
    public void A_user_is_known_by_the_whole_number(uint uid, bool known) => Assert.Equal(known, UserEntry.IsKnown(uid, Passwd));
}
