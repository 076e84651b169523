using System.Text;

using Telepresence.Cli.Machine.Resolver;

namespace Telepresence.Cli.Tests.Machine.Resolver;

public sealed class FileEditChangeTests : IDisposable
{
    private const string Short = "nameserver 192.0.2.53\n";
    private static readonly string Long = ManagedText.Block("nameserver 198.18.77.1") + Short;

    private readonly string _directory = Directory.CreateTempSubdirectory("file-edit").FullName;

    private string FilePath => Path.Combine(_directory, "file");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_original_comes_back_wherever_writing_was_cut_off(bool shrinks)
    {
        // An original that is longer than what is written over it is longer by a comment of its own.
        string original = shrinks ? Short + new string('#', Long.Length) : Short;
        FileEditChange change = new(FilePath, original, Long, Existed: true, Path.Combine(_directory, "overlay"));
        foreach ((string before, string next) in new[] { (original, Long), (Long, original) })
        {
            for (int length = 0; length <= next.Length; length++)
            {
                string cut = next[..length] + (length < before.Length ? before[length..] : "");
                await File.WriteAllTextAsync(FilePath, cut, Encoding.Latin1);
                await change.UndoAsync(default);
                Assert.Equal(original, await File.ReadAllTextAsync(FilePath, Encoding.Latin1));
            }
        }
    }

    [Fact]
    public async Task What_somebody_else_has_written_since_stays_without_our_part()
    {
        FileEditChange change = new(FilePath, Short, Long, Existed: true, Path.Combine(_directory, "overlay"));
        await File.WriteAllTextAsync(FilePath, Long + "nameserver 192.0.2.99\n");
        await change.UndoAsync(default);
        Assert.Equal(Short + "nameserver 192.0.2.99\n", await File.ReadAllTextAsync(FilePath));
        await File.WriteAllTextAsync(FilePath, "nameserver 192.0.2.99\n");
        await change.UndoAsync(default);
        Assert.Equal("nameserver 192.0.2.99\n", await File.ReadAllTextAsync(FilePath));
    }
}
