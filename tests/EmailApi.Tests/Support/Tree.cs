namespace EmailApi.Tests.Support;

/// <summary>The project's files, for tests of what is committed.</summary>
static class Tree
{
    public static string Top { get; } = TopOf(new(AppContext.BaseDirectory));

    static string TopOf(DirectoryInfo folder) => File.Exists(Path.Combine(folder.FullName, "EmailApi.sln")) ? folder.FullName
        : TopOf(folder.Parent ?? throw new InvalidOperationException("The tests do not run inside the tree."));
}
