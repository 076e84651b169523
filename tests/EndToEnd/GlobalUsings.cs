global using Telepresence.EndToEnd.Harness;
