namespace EmailApi.Benchmarks.Servers;

/// <summary>A folder on a real disk (/tmp is often memory), open to the users that Postfix and PostgreSQL run as; deleted at the end.</summary>
sealed class WorkFolder : IDisposable
{
    public WorkFolder(string? parent = null)
    {
        Path = Directory.CreateDirectory(System.IO.Path.Combine(parent ?? "/var/tmp", $"emailapi-{Guid.NewGuid().ToString("n")[..8]}")).FullName;
        File.SetUnixFileMode(Path, Open);
    }

    const UnixFileMode Open = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    public string Path { get; }

    public string this[string name] => System.IO.Path.Combine(Path, name);

    public string NewFolder(string name)
    {
        Directory.CreateDirectory(this[name]);
        File.SetUnixFileMode(this[name], Open);   // whatever the umask
        return this[name];
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
