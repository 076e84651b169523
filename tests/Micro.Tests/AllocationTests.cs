using System.Reflection;

using BenchmarkDotNet.Attributes;

using Telepresence.Bench.Micro;

namespace Telepresence.Micro.Tests;

/// <summary>
/// Every stage of the hot path, as the micro-benchmarks have it, allocates nothing. Bytes are exact where times are not, so this can be a
/// test.
/// </summary>
public sealed class AllocationTests
{
    private const int WarmUp = 2_000, Operations = 5_000;

    /// <summary>Class, method, and the values of the class's parameters.</summary>
    public static TheoryData<string, string, string> Benchmarks()
    {
        TheoryData<string, string, string> data = [];
        foreach (MethodInfo method in typeof(MuxFrames).Assembly.GetTypes().SelectMany(static type => type.GetMethods()).Where(static method => method.IsDefined(typeof(BenchmarkAttribute))))
        {
            foreach (string parameters in Combinations([.. method.DeclaringType!.GetProperties().Where(static property => property.IsDefined(typeof(ParamsAttribute)))]))
                data.Add(method.DeclaringType!.Name, method.Name, parameters);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Benchmarks))]
    public void An_operation_allocates_nothing(string type, string method, string parameters)
    {
        Type benchmarks = typeof(MuxFrames).Assembly.GetTypes().Single(candidate => candidate.Name == type && candidate.IsPublic);
        object subject = Activator.CreateInstance(benchmarks)!;
        foreach (string[] parameter in parameters.Split(", ", StringSplitOptions.RemoveEmptyEntries).Select(static parameter => parameter.Split(" = ")))
        {
            PropertyInfo property = benchmarks.GetProperty(parameter[0])!;
            property.SetValue(subject, Values(property).Single(value => $"{value}" == parameter[1]));
        }

        foreach (MethodInfo setup in benchmarks.GetMethods().Where(static candidate => candidate.IsDefined(typeof(GlobalSetupAttribute))))
            setup.Invoke(subject, null);
        MethodInfo benchmark = benchmarks.GetMethod(method)!;
        Action operation = ToAction(benchmark, subject);
        for (int i = 0; i < WarmUp; i++)
            operation();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < Operations; i++)
            operation();

        // A table that grows once in a while is no cost of one operation.
        long bytes = (GC.GetAllocatedBytesForCurrentThread() - before) / Operations;
        Assert.Equal(0, bytes);
    }

    private static Action ToAction(MethodInfo method, object subject)
    {
        if (method.ReturnType == typeof(void))
            return method.CreateDelegate<Action>(subject);
        if (method.ReturnType == typeof(int))
        {
            Func<int> call = method.CreateDelegate<Func<int>>(subject);
            return () => call();
        }

        Func<ushort> other = method.CreateDelegate<Func<ushort>>(subject);
        return () => other();
    }

    private static IEnumerable<string> Combinations(PropertyInfo[] properties) => properties is [PropertyInfo first, .. PropertyInfo[] rest]
        ? from value in Values(first) from others in Combinations(rest) select others.Length == 0 ? $"{first.Name} = {value}" : $"{first.Name} = {value}, {others}"
        : [""];

    private static object?[] Values(PropertyInfo property) => property.GetCustomAttribute<ParamsAttribute>()!.Values;
}
