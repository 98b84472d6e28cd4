using System.Diagnostics;
using System.IO.Compression;
using System.Reflection;
using System.Xml.Linq;
using EmailApi.Client;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.Contract;

/// <summary>What the client is handed out as.</summary>
public sealed class ClientPackageTests
{
    [Fact]
    public async Task The_package_has_a_readme_a_licence_docs_and_symbols()
    {
        using var folder = new TemporaryFolder();
        var configuration = typeof(ClientPackageTests).Assembly.GetCustomAttribute<AssemblyConfigurationAttribute>()!.Configuration;

        using var pack = Process.Start(new ProcessStartInfo("dotnet",
            ["pack", "src/EmailApi.Client", "--no-build", "-c", configuration, "-o", folder.Path, "-nodeReuse:false"])
        { WorkingDirectory = Tree.Top, RedirectStandardOutput = true })!;
        var said = await pack.StandardOutput.ReadToEndAsync();
        await pack.WaitForExitAsync();
        Assert.True(pack.ExitCode == 0, said);

        Assert.Single(Directory.GetFiles(folder.Path, "*.snupkg"));
        using var package = ZipFile.OpenRead(Assert.Single(Directory.GetFiles(folder.Path, "*.nupkg")));
        var files = package.Entries.Select(e => e.FullName).ToList();
        Assert.Superset(new HashSet<string> { "README.md", "lib/net10.0/EmailApi.Client.dll", "lib/net10.0/EmailApi.Client.xml" }, files.ToHashSet());
        using var spec = package.GetEntry("EmailApi.Client.nuspec")!.Open();
        var facts = XDocument.Load(spec).Descendants().Where(e => !e.HasElements).ToLookup(e => e.Name.LocalName, e => e.Value);
        Assert.Equal(("MIT", "README.md"), (facts["license"].Single(), facts["readme"].Single()));
        Assert.NotEmpty(facts["description"].Single());
        var dependencies = XDocument.Load(package.GetEntry("EmailApi.Client.nuspec")!.Open()).Descendants().Where(e => e.Name.LocalName == "dependency");
        Assert.Equal(["Microsoft.Extensions.Http"], dependencies.Select(d => d.Attribute("id")!.Value));
    }

    /// <summary>The analyzers that find what trimming or AOT would break run at every build, and their warnings are errors.</summary>
    [Fact]
    public void The_assembly_is_marked_as_fit_for_trimming_and_AOT()
    {
        var facts = typeof(EmailApiClient).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().ToDictionary(a => a.Key, a => a.Value);

        Assert.Equal(("True", "True"), (facts["IsTrimmable"], facts["IsAotCompatible"]));
    }

    [Fact]
    public void It_references_nothing_of_the_app() =>
        Assert.DoesNotContain(typeof(EmailApiClient).Assembly.GetReferencedAssemblies(), r => r.Name is "EmailApi" || r.Name!.StartsWith("Microsoft.AspNetCore", StringComparison.Ordinal));
}
