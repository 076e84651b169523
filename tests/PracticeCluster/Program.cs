using Telepresence.PracticeCluster.Node;

if (await NodeVerbs.TryRunAsync(args, CancellationToken.None) is int code)
    return code;
Console.Error.WriteLine("practice-cluster: not ready yet");
return 2;
