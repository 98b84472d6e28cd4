using EmailApi.Data;
using EmailApi.Projects;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Tests.Data;

public sealed class RowSecurityTests
{
    [Fact]
    public async Task A_query_that_forgets_its_project_finds_nothing_of_anothers_and_changes_nothing()
    {
        await using var app = await TestApp.StartAsync();
        await app.SendAsync();
        var stranger = new Caller(4711, "key") { Scopes = [] };

        var (seen, error) = await app.QueryAsync(async db =>
        {
            await using var reading = await db.ReadAsAsync(stranger, CancellationToken.None);
            var rows = await db.Emails.CountAsync() + await db.Recipients.CountAsync() + await db.Events.CountAsync() + await db.Contents.CountAsync() + await db.ApiKeys.CountAsync();
            return (rows, await Assert.ThrowsAsync<Npgsql.PostgresException>(() => db.Emails.ExecuteDeleteAsync()));
        });

        Assert.Equal(0, seen);
        Assert.Equal("42501", error.SqlState);
        Assert.Equal(1, await app.QueryAsync(db => db.Emails.CountAsync()));
    }

    [Fact]
    public async Task Every_table_with_a_project_is_under_row_security()
    {
        await using var app = await TestApp.StartAsync();

        var open = await app.QueryAsync(db => db.Database.SqlQuery<string>($"""
            select c.relname as "Value" from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'project_id'
            where c.relkind in ('r', 'p') and not c.relispartition and c.relnamespace = 'public'::regnamespace and not c.relrowsecurity
            """).ToListAsync());

        Assert.Equal(["idempotency_keys"], open);   // never read for a caller
    }
}
