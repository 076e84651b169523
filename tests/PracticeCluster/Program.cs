Console.Error.WriteLine("practice-cluster: not ready yet");
return 2;
