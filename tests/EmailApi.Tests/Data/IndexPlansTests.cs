using EmailApi.Data;
using EmailApi.Tests.Support;
using Npgsql;

namespace EmailApi.Tests.Data;

public sealed class IndexPlansTests
{
    /// <summary>With <c>jit</c> on, as in PostgreSQL as it comes, a claim with a backlog took seconds.</summary>
    [Fact]
    public async Task What_is_planned_by_index_is_never_compiled_and_nothing_of_it_stays()
    {
        var connectionString = await TestDatabase.CreateAsync(cancel: TestContext.Current.CancellationToken);
        await using (var connection = new NpgsqlConnection(connectionString))
        {
            await connection.OpenAsync(TestContext.Current.CancellationToken);
            await using (var on = new NpgsqlCommand("set jit = on", connection)) await on.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);

            var within = await SettingsAsync(connection, IndexPlans.Command());
            var after = await SettingsAsync(connection);

            Assert.Equal("off off off off", within);
            Assert.Equal("on on on on", after);
        }

        await TestDatabase.DropAsync(connectionString, CancellationToken.None);
    }

    static async Task<string> SettingsAsync(NpgsqlConnection connection, params NpgsqlBatchCommand[] before)
    {
        await using var batch = new NpgsqlBatch(connection);
        foreach (var command in before) batch.BatchCommands.Add(command);
        batch.BatchCommands.Add(new("select concat_ws(' ', current_setting('jit'), current_setting('enable_seqscan'), current_setting('enable_hashjoin'), current_setting('enable_mergejoin'))"));
        await using var reader = await batch.ExecuteReaderAsync(TestContext.Current.CancellationToken);
        foreach (var _ in before) await reader.NextResultAsync(TestContext.Current.CancellationToken);
        await reader.ReadAsync(TestContext.Current.CancellationToken);
        return reader.GetString(0);
    }
}
