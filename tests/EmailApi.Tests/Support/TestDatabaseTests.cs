using Npgsql;

namespace EmailApi.Tests.Support;

public sealed class TestDatabaseTests
{
    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Databases_are_clones_of_a_template_and_share_nothing()
    {
        var template = await TestDatabase.TemplateAsync("template_of_this_test", async connectionString => await ScalarAsync(connectionString, "create table t as select 1 as n"));
        var all = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => TestDatabase.CreateAsync(template, Cancel)));

        await ScalarAsync(all[0], "insert into t values (2)");

        Assert.Equal(2L, await ScalarAsync(all[0], "select count(*) from t"));
        Assert.Equal(1L, await ScalarAsync(all[1], "select count(*) from t"));
        foreach (var connectionString in all) await TestDatabase.DropAsync(connectionString, Cancel);
    }

    static async Task<object?> ScalarAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync(Cancel);
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync(Cancel);
    }
}
