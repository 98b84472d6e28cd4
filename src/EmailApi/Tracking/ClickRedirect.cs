using EmailApi.Data;
using EmailApi.Emails;
using EmailApi.Http;
using Npgsql;

namespace EmailApi.Tracking;

/// <summary>GET and HEAD /t/c/{token}: leads on to where the token, which nobody else can make, says that the mail's link leads.</summary>
public static class ClickRedirect
{
    /// <exception cref="ProblemException">404: it is no token of ours, or its mail is gone or erased.</exception>
    public static async Task HandleAsync(string token, HttpContext http, TrackingTokens tokens, HitWriter hits, NpgsqlDataSource database, TimeProvider clock, CancellationToken cancel)
    {
        if (tokens.ReadClick(token) is not { } click || !LinkRules.IsTarget(click.Target)) throw TrackingSetup.Unknown();
        if (!await IsThereAsync(database, click.Copy, cancel)) throw TrackingSetup.Unknown();
        hits.Add(Hit.Of(http, click.Copy, clock.GetTimestamp(), click));
        var response = http.Response;
        response.StatusCode = StatusCodes.Status302Found;
        response.Headers.Location = click.Target;
        response.Headers.CacheControl = "no-store, private";
        response.Headers["Referrer-Policy"] = "no-referrer";   // the target is not to learn the token
        response.Headers["X-Robots-Tag"] = "noindex, nofollow";
    }

    /// <summary>A database that is away keeps no reader from where the mail led him.</summary>
    static async Task<bool> IsThereAsync(NpgsqlDataSource database, CopyId copy, CancellationToken cancel)
    {
        try
        {
            await using var command = database.CreateCommand("select exists (select from recipients where email_id = $1 and n = $2 and project_id = $3 and address <> $4)");
            command.Parameters.Add(new() { Value = copy.EmailId });
            command.Parameters.Add(new() { Value = copy.N });
            command.Parameters.Add(new() { Value = copy.ProjectId });
            command.Parameters.Add(new() { Value = EraseEmail.Erased });
            return await command.ExecuteScalarAsync(cancel) is true;
        }
        catch (Exception error) when (DatabaseTrouble.IsUnavailable(error))
        {
            database.Clear();
            return true;
        }
    }
}
