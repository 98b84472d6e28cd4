namespace EmailApi.Tests.Support;

/// <summary>A folder that other users may enter, deleted with all it holds at the end.</summary>
public sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("emailapi-").FullName;

    public TemporaryFolder() => Open(Path);

    public string this[string name] => System.IO.Path.Combine(Path, name);

    public static void Open(string folder)
    {
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(folder, (UnixFileMode)0b111_101_101);
    }

    public static void Close(string folder)
    {
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(folder, (UnixFileMode)0b111_000_000);
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
