namespace EmailApi.Data;

/// <summary>Small secrets in the data directory, for their owner alone (mode 0600).</summary>
static class PrivateFile
{
    public static string ReadOrCreate(string path, Func<string> make)
    {
        try
        {
            if (File.Exists(path)) return File.ReadAllText(path).Trim();

            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            var content = make();
            // Whole or not at all: a start that is cut off here must not leave an empty key.
            var half = $"{path}.{Guid.NewGuid():n}";
            using (var writer = new StreamWriter(half, options)) writer.Write(content);
            File.Move(half, path, overwrite: false);
            return content;
        }
        catch (IOException) when (File.Exists(path))
        {
            return File.ReadAllText(path).Trim();   // another process made it at the same moment
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new StartRefusedException($"{path} cannot be read or written ({error.Message}): set EmailApi__DataDirectory to a folder of the app's own, or give the secret by a setting.", error);
        }
    }
}
