using EmailApi.Data;
using EmailApi.Tests.Support;
using Npgsql;

namespace EmailApi.Tests.Data;

public sealed class IndexPlansTests
{
    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task No_statement_of_the_hot_paths_is_compiled_where_the_server_would()
    {
        var connectionString = await TestDatabase.CreateAsync(cancel: Cancel);
        try
        {
            await using var database = NpgsqlDataSource.Create(connectionString + ";Options=-c jit=on");   // as PostgreSQL comes
            await using var connection = await database.OpenConnectionAsync(Cancel);
            await using var batch = new NpgsqlBatch(connection) { BatchCommands = { IndexPlans.Command(), new("select current_setting('jit')") } };
            await using (var reader = await batch.ExecuteReaderAsync(Cancel))
            {
                await reader.NextResultAsync(Cancel);
                await reader.ReadAsync(Cancel);
                Assert.Equal("off", reader.GetString(0));
            }

            await using var after = new NpgsqlCommand("select current_setting('jit')", connection);
            Assert.Equal("on", await after.ExecuteScalarAsync(Cancel));
        }
        finally
        {
            await TestDatabase.DropAsync(connectionString, CancellationToken.None);
        }
    }
}
