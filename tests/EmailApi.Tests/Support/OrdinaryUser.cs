namespace EmailApi.Tests.Support;

/// <summary>Somebody without rights to run things as.</summary>
static class OrdinaryUser
{
    /// <summary>As root, what runs a copy of this program as nobody; as an ordinary user nothing is needed.</summary>
    /// <param name="program">Where the copy lies; null when there is none.</param>
    public static string[] Prefix(TemporaryFolder folder, out string? program)
    {
        program = null;
        if (!Environment.IsPrivilegedProcess) return [];

        program = folder["program"];
        foreach (var directory in Directory.GetDirectories(AppContext.BaseDirectory, "*", SearchOption.AllDirectories).Prepend(AppContext.BaseDirectory))
        {
            var copy = Directory.CreateDirectory(Path.Combine(program, Path.GetRelativePath(AppContext.BaseDirectory, directory))).FullName;
            foreach (var file in Directory.GetFiles(directory)) File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        }

        return ["setpriv", "--reuid=nobody", "--regid=65534", "--clear-groups", "--"];
    }
}
