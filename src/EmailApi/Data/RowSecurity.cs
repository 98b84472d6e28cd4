using System.Globalization;
using EmailApi.Projects;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;

namespace EmailApi.Data;

/// <summary>Ordinary reads run as a role that sees one project's rows: a query that forgets its project then finds nothing of another's.</summary>
public static class RowSecurity
{
    public const string Role = "emailapi_reader";

    /// <summary>Begins the transaction in which a context sees only the caller's project.</summary>
    public static async Task<IDbContextTransaction> ReadAsAsync(this EmailDb db, Caller caller, CancellationToken cancel)
    {
        var transaction = await db.Database.BeginTransactionAsync(cancel);
        var project = caller.ProjectId.ToString(CultureInfo.InvariantCulture);
        await db.Database.ExecuteSqlAsync($"select set_config('emailapi.project', {project}, true), set_config('role', {Role}, true)", cancel);
        return transaction;
    }

    /// <summary>Lifts it for the rest of the transaction, for a search by tags or parts of the subject, whose query must name the project itself:
    /// under row-level security PostgreSQL uses no index for operators that are not marked leakproof, and would read all mail of the project.</summary>
    public static Task LiftAsync(EmailDb db, CancellationToken cancel) => db.Database.ExecuteSqlAsync($"select set_config('role', 'none', true)", cancel);

    /// <summary>A GET whose <see cref="EmailDb"/> reads under row-level security. Not for one that waits: no transaction of ours stays open long.</summary>
    public static RouteHandlerBuilder MapRead(this IEndpointRouteBuilder routes, string pattern, Delegate handler) =>
        routes.MapGet(pattern, handler).AddEndpointFilter(async (context, next) =>
        {
            var http = context.HttpContext;
            await using var reading = await http.RequestServices.GetRequiredService<EmailDb>().ReadAsAsync(Caller.Behind(http), http.RequestAborted);
            return await next(context);
        });
}
