using EmailApi.Data;
using EmailApi.Http;
using EmailApi.Projects;
using FluentValidation;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace EmailApi.Admin;

/// <summary><c>EmailApi keys create</c>: makes a key without asking for one, for whoever may read the database. The key goes to standard
/// output, all else to standard error, so that <c>KEY=$(EmailApi keys create …)</c> holds the key.</summary>
static class CreateKeyCommand
{
    static readonly string[] Options = ["--name", "--scopes", "--project", "--mode", "--expires", "--senders", "--streams", "--recipients"];

    public static async Task<int> RunAsync(string[] args)
    {
        var line = CommandLine.Parse("keys create", args, Options, flags: []);
        var builder = CommandHost.Create(line.Settings);
        var request = new CreateKeyRequest
        {
            Name = line["--name"],
            Scopes = line.List("--scopes"),
            Mode = line["--mode"],
            ExpiresAt = line["--expires"],
            Senders = line.List("--senders"),
            Streams = line.List("--streams"),
            Recipients = line.List("--recipients"),
        };
        Check(request);
        await using var database = await CommandDatabase.OpenAsync(builder.Configuration, builder.AddSettings());
        try
        {
            await using var db = database.Context();
            var project = line["--project"] ?? Project.Default;
            var (key, token) = ManageKeys.Make(request, await ProjectAsync(db, project));
            await CheckStreamsAsync(db, key, project);
            db.ApiKeys.Add(key);
            await db.SaveChangesAsync();
            await Console.Error.WriteLineAsync($"Key {key.Id} of project {project} may {string.Join(", ", key.Scopes)}. It is shown this once:");
            await Console.Out.WriteLineAsync(token);
            return 0;
        }
        catch (Exception away) when (away is not StartRefusedException && DatabaseTrouble.IsUnavailable(away))
        {
            throw new StartRefusedException($"The database cannot be used ({away.GetBaseException().Message.ReplaceLineEndings(" ")}): `EmailApi doctor` says what is wrong.", away);
        }
        catch (Exception refused) when (refused.GetBaseException() is PostgresException postgres)
        {
            throw new StartRefusedException($"PostgreSQL refused ({postgres.SqlState}): {postgres.MessageText}.", refused);
        }
    }

    static void Check(CreateKeyRequest request)
    {
        var faults = new CreateKeyValidator(TimeProvider.System).Validate(request).Errors;
        if (faults.Count == 0) return;
        throw new StartRefusedException(string.Join(" ", faults.Select(f => $"{OptionOf(f.PropertyName)}: {f.ErrorMessage}")));
    }

    /// <summary>From the place in a request body, such as #/scopes/1.</summary>
    static string OptionOf(string pointer) => pointer.Split('/') switch
    {
        [_, "expires_at", ..] => "--expires",
        [_, var field, ..] => $"--{field}",
        _ => pointer,
    };

    static async Task<int> ProjectAsync(EmailDb db, string name)
    {
        var all = await db.Projects.AsNoTracking().OrderBy(p => p.Name).Take(50).ToListAsync();
        if (all.Find(p => p.Name == name) is { } project) return project.Id;
        if (await db.Projects.AsNoTracking().SingleOrDefaultAsync(p => p.Name == name) is { } late) return late.Id;
        throw new StartRefusedException(all.Count > 0
            ? $"--project: there is no project {name}; there are {string.Join(", ", all.Select(p => p.Name))}."
            : "There is no project yet: the first start of EmailApi makes project default.");
    }

    static async Task CheckStreamsAsync(EmailDb db, ApiKey key, string project)
    {
        var known = await db.Streams.AsNoTracking().Where(s => s.ProjectId == key.ProjectId).Select(s => s.Name).ToListAsync();
        if (key.Streams.Except(known).ToList() is { Count: > 0 } unknown)
            throw new StartRefusedException($"--streams: project {project} has no stream {string.Join(", ", unknown)}; it has {string.Join(", ", known)}.");
    }
}
