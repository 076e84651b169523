using System.Diagnostics;

namespace Telepresence.EndToEnd.Harness;

/// <summary>Waits for conditions, with a deadline that only a failing test ever meets.</summary>
internal static class Eventually
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50), Patience = TimeSpan.FromSeconds(60);

    /// <summary>Waits until a condition holds.</summary>
    /// <param name="what">The condition in words.</param>
    /// <param name="holds">The condition.</param>
    public static Task HoldsAsync(string what, Func<Task<bool>> holds) => GivesAsync(what, holds, static held => held);

    /// <summary>Waits until a condition holds, and says whether it does, for those who have more to tell of it.</summary>
    public static async Task<bool> HeldAsync(Func<bool> holds)
    {
        Stopwatch clock = Stopwatch.StartNew();
        while (!holds())
        {
            if (clock.Elapsed >= Patience)
                return false;
            await Task.Delay(Interval);
        }

        return true;
    }

    /// <summary>Waits until a text is as expected; a failing test shows where it differs.</summary>
    /// <param name="expected">The text.</param>
    /// <param name="look">Gives what there is.</param>
    /// <param name="patience">How long to wait.</param>
    public static async Task EqualsAsync(string expected, Func<Task<string>> look, TimeSpan patience)
    {
        Stopwatch clock = Stopwatch.StartNew();
        string value = await look();
        while (value != expected && clock.Elapsed < patience)
        {
            await Task.Delay(Interval);
            value = await look();
        }

        Assert.Equal(expected, value);
    }

    /// <summary>Waits until a value is as expected.</summary>
    /// <param name="what">The condition in words.</param>
    /// <param name="look">Gives the value.</param>
    /// <param name="expected">Whether it is as expected.</param>
    /// <param name="more">What a failing test wants to know besides.</param>
    /// <param name="patience">Where a minute is not enough.</param>
    /// <returns>That value.</returns>
    public static async Task<T> GivesAsync<T>(string what, Func<Task<T>> look, Func<T, bool> expected, Func<string>? more = null, TimeSpan? patience = null)
    {
        Stopwatch clock = Stopwatch.StartNew();
        while (true)
        {
            T value = await look();
            if (expected(value))
                return value;
            Assert.True(clock.Elapsed < (patience ?? Patience), $"After {clock.Elapsed.TotalSeconds:F0} s still not so: {what}. The last look gave: {value}\n{more?.Invoke()}");
            await Task.Delay(Interval);
        }
    }
}
