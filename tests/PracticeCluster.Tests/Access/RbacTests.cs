using Telepresence.PracticeCluster.Access;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Tests.Access;

public sealed class RbacTests
{
    private static readonly User Dev = new("dev", "", ["developers", "system:authenticated"]);

    private readonly ObjectStore _store = new();

    [Theory]
    [InlineData("get", "", "pods", "", "", true)]
    [InlineData("create", "", "pods", "", "", false)]
    [InlineData("get", "", "pods", "log", "", false)]
    [InlineData("create", "", "pods", "portforward", "", true)]
    [InlineData("get", "apps", "pods", "", "", false)]
    [InlineData("update", "apps", "deployments", "scale", "", true)]
    [InlineData("update", "apps", "deployments", "", "", false)]
    [InlineData("get", "", "secrets", "", "mine", true)]
    [InlineData("get", "", "secrets", "", "other", false)]
    [InlineData("list", "", "secrets", "", "", false)]
    public void A_rule_covers_exactly_what_it_says(string verb, string group, string resource, string sub, string name, bool allowed)
    {
        Role("team", """
            [{'apiGroups':[''],'resources':['pods'],'verbs':['get','list']},
             {'apiGroups':[''],'resources':['pods/portforward'],'verbs':['create']},
             {'apiGroups':['apps'],'resources':['*/scale'],'verbs':['*']},
             {'apiGroups':[''],'resources':['secrets'],'resourceNames':['mine'],'verbs':['get','list']}]
            """);
        Bind("team", "{'kind':'User','name':'dev'}");
        Assert.Equal(allowed, new Rbac(_store).Allows(Dev, new RequestAttributes(verb, group, resource, sub, "team", name)));
    }

    [Theory]
    [InlineData("{'kind':'User','name':'dev'}", true)]
    [InlineData("{'kind':'Group','name':'developers'}", true)]
    [InlineData("{'kind':'Group','name':'dev'}", false)]
    [InlineData("{'kind':'ServiceAccount','name':'dev'}", false)]
    public void Subjects_are_users_groups_and_service_accounts(string subject, bool allowed)
    {
        Role("team", "[{'apiGroups':[''],'resources':['*'],'verbs':['*']}]");
        Bind("team", subject);
        Assert.Equal(allowed, new Rbac(_store).Allows(Dev, new RequestAttributes("get", "", "pods", "", "team", "")));
    }

    [Fact]
    public void A_role_binding_holds_in_its_namespace_only()
    {
        Role("team", "[{'apiGroups':['*'],'resources':['*'],'verbs':['*']}]");
        Bind("team", "{'kind':'User','name':'dev'}");
        Assert.False(new Rbac(_store).Allows(Dev, new RequestAttributes("get", "", "pods", "", "other", "")));
        Assert.False(new Rbac(_store).Allows(Dev, new RequestAttributes("list", "", "pods", "", "", "")));
    }

    [Fact]
    public void The_refusal_has_the_words_of_the_real_one()
    {
        Assert.Equal("pods is forbidden: User \"dev\" cannot create resource \"pods\" in API group \"\" in the namespace \"default\"",
            Rbac.Refusal(Dev, new RequestAttributes("create", "", "pods", "", "default", "")).Message);
        Assert.Equal("deployments.apps \"web\" is forbidden: User \"dev\" cannot patch resource \"deployments/scale\" in API group \"apps\" in the namespace \"default\"",
            Rbac.Refusal(Dev, new RequestAttributes("patch", "apps", "deployments", "scale", "default", "web")).Message);
        Assert.Equal("nodes is forbidden: User \"dev\" cannot list resource \"nodes\" in API group \"\" at the cluster scope",
            Rbac.Refusal(Dev, new RequestAttributes("list", "", "nodes", "", "", "")).Message);
    }

    [Fact]
    public void Nobody_grants_what_he_has_not_got()
    {
        Role("team", "[{'apiGroups':[''],'resources':['pods'],'verbs':['get','list']}]");
        Bind("team", "{'kind':'User','name':'dev'}");
        var rbac = new Rbac(_store);
        Assert.Null(rbac.Escalation(Dev, "team", [Given.Object("{'apiGroups':[''],'resources':['pods'],'verbs':['get']}")]));
        Assert.Contains("attempting to grant RBAC permissions not currently held",
            rbac.Escalation(Dev, "team", [Given.Object("{'apiGroups':[''],'resources':['pods'],'verbs':['delete']}")]));
    }

    private void Role(string home, string rules) => _store.Add(ResourceTypes.Roles, Given.Object($"{{'metadata':{{'name':'r','namespace':'{home}'}},'rules':{rules}}}"));

    private void Bind(string home, string subject) => _store.Add(ResourceTypes.RoleBindings,
        Given.Object($"{{'metadata':{{'name':'b','namespace':'{home}'}},'roleRef':{{'kind':'Role','name':'r'}},'subjects':[{subject}]}}"));
}
