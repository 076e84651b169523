using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Controllers;

/// <summary>Brings one kind of object to where its spec wants it. All controllers share one thread of work.</summary>
internal interface IController
{
    /// <summary>The keys to reconcile because of a change.</summary>
    IEnumerable<(string Namespace, string Name)> KeysFor(Change change);

    /// <summary>Looks at one key. Returns when to look again, or null. Throws ApiException to be retried with back-off.</summary>
    TimeSpan? Reconcile(string namespaceName, string name);
}
