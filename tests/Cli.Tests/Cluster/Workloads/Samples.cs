namespace Telepresence.Cli.Tests.Cluster.Workloads;

/// <summary>Deployments as an API server would send them.</summary>
internal static class Samples
{
    /// <summary>Three replicas, two containers, everything that a swap must keep.</summary>
    internal const string Web = """
        {"apiVersion":"apps/v1","kind":"Deployment",
         "metadata":{"name":"web","namespace":"web","labels":{"app.kubernetes.io/instance":"argo"},"annotations":{"note":"mine"}},
         "spec":{"replicas":3,"paused":false,"minReadySeconds":30,"strategy":{"type":"RollingUpdate"},
          "selector":{"matchLabels":{"app":"web"},"matchExpressions":[{"key":"tier","operator":"In","values":["front","back"]},{"key":"old","operator":"DoesNotExist"}]},
          "template":{"metadata":{"labels":{"app":"web","tier":"front"},"annotations":{"sidecar.istio.io/inject":"true"}},
           "spec":{"serviceAccountName":"web","automountServiceAccountToken":false,"imagePullSecrets":[{"name":"pull"}],"nodeSelector":{"disk":"ssd"},
            "terminationGracePeriodSeconds":300,"somethingNew":{"kept":true},
            "securityContext":{"fsGroup":2000},
            "initContainers":[{"name":"init","image":"busybox"}],
            "containers":[
             {"name":"app","image":"example.com/app:1","command":["/app"],"args":["--x"],"workingDir":"/srv","stdin":true,"tty":true,
              "ports":[{"name":"http","containerPort":8080},{"containerPort":9000,"protocol":"UDP"}],
              "env":[{"name":"A","value":"1"},{"name":"PATH","value":"/app/bin"},{"name":"IP","valueFrom":{"fieldRef":{"fieldPath":"status.podIP"}}},{"name":"MEM","valueFrom":{"resourceFieldRef":{"resource":"limits.memory","divisor":"1Mi"}}}],
              "envFrom":[{"configMapRef":{"name":"app"}}],
              "resources":{"limits":{"memory":"1Gi"},"requests":{"cpu":"50m"}},
              "livenessProbe":{"httpGet":{"port":"http"}},"readinessProbe":{"tcpSocket":{"port":8080}},"startupProbe":{"tcpSocket":{"port":8080}},
              "lifecycle":{"preStop":{"exec":{"command":["x"]}}},
              "securityContext":{"privileged":true,"runAsUser":1000,"capabilities":{"add":["NET_ADMIN"]}},
              "volumeMounts":[{"name":"config","mountPath":"/etc/config","readOnly":true},{"name":"data","mountPath":"/data","subPath":"sub"}]},
             {"name":"side","image":"envoy:2","readinessProbe":{"tcpSocket":{"port":1}}}],
            "volumes":[{"name":"config","configMap":{"name":"app"}},{"name":"data","emptyDir":{}}]}}}}
        """;

    /// <summary>What the 0.27 documentation has users write, with a second container in front.</summary>
    internal const string Existing = """
        {"metadata":{"name":"servicename-deployment","namespace":"web"},
         "spec":{"replicas":1,"selector":{"matchLabels":{"name":"servicename"}},
          "template":{"metadata":{"labels":{"name":"servicename"}},
           "spec":{"containers":[
             {"name":"first","image":"nginx"},
             {"name":"servicename","image":"datawire/telepresence-k8s:1.0.0","env":[{"name":"MYENV","value":"hello"}]}]}}}}
        """;

    internal const string Image = "telepresence/telepresence-k8s:1.0.0";
}
