using System.Text;

namespace Telepresence.PracticeCluster.Node;

/// <summary>$(NAME) in env, command, args and subPathExpr: an unknown name stays as it is, $$ is one dollar.</summary>
internal static class VariableExpansion
{
    internal static string Expand(string text, Func<string, string?> variable)
    {
        var result = new StringBuilder(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] != '$' || i + 1 == text.Length)
            {
                result.Append(text[i]);
                continue;
            }

            int close = text[i + 1] == '(' ? text.IndexOf(')', i) : -1;
            if (text[i + 1] == '$')
            {
                result.Append('$');
                i++;
            }
            else if (close >= 0)
            {
                string name = text[(i + 2)..close];
                result.Append(variable(name) ?? text[i..(close + 1)]);
                i = close;
            }
            else
            {
                result.Append('$');
            }
        }

        return result.ToString();
    }
}
