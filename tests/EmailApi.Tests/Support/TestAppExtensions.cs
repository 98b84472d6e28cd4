using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using EmailApi.Data;
using EmailApi.Emails;
using EmailApi.Projects;
using Microsoft.EntityFrameworkCore;
using MimeKit;
using Npgsql;

namespace EmailApi.Tests.Support;

static class TestAppExtensions
{
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    /// <summary>An id as the tables have it.</summary>
    public static Guid ToGuid(this string emailId) => Guid.ParseExact(emailId.AsSpan(3), "n");

    /// <summary>What the relay took of one email, once all its recipients are sent.</summary>
    public static async Task<IReadOnlyList<RelayedMail>> RelayedAsync(this TestApp app, string id)
    {
        await app.WaitForAsync(id, RecipientState.Sent);
        return [.. app.Relay.Mails.Where(mail => mail.MessageId!.StartsWith($"<{id[3..]}@", StringComparison.Ordinal))];
    }

    /// <summary>The same, read as a reader's program would, for an email that is relayed once.</summary>
    public static async Task<MimeMessage> ReceivedAsync(this TestApp app, string id) => Assert.Single(await app.RelayedAsync(id)).Read();

    public static MimeMessage Read(this RelayedMail mail)
    {
        using var data = new MemoryStream(mail.Data);
        return MimeMessage.Load(data);
    }

    /// <summary>The header section as it came, unfolded.</summary>
    public static string Header(this RelayedMail mail) => mail.Text.Split("\r\n\r\n")[0].Replace("\r\n ", " ", StringComparison.Ordinal);

    /// <summary>A key in a project of its own, which is made if need be.</summary>
    /// <returns>The token.</returns>
    public static async Task<string> AddKeyAsync(this TestApp app, string project, params string[] scopes)
    {
        var (id, token) = ApiKeyToken.Create(KeyMode.Live);
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(token));
        await app.QueryAsync(db => db.Database.ExecuteSqlAsync($"""
            insert into projects (name) values ({project}) on conflict do nothing;
            insert into streams (project_id, name, priority, life, in_doubt)
            select id, 'transactional', 100, interval '48 hours', 'retry' from projects where name = {project} on conflict do nothing;
            insert into api_keys (id, project_id, name, hash, scopes) select {id}, id, 'test', {hash}, {scopes} from projects where name = {project}
            """));
        return token;
    }

    /// <summary>A client that sends another key, or none.</summary>
    public static HttpClient WithKey(this TestApp app, string? key)
    {
        var client = new HttpClient { BaseAddress = app.Http.BaseAddress, Timeout = Limit };
        if (key is not null) client.DefaultRequestHeaders.Authorization = new("Bearer", key);
        return client;
    }

    public static Task<HttpResponseMessage> PostTextAsync(this HttpClient client, string path, string json) =>
        client.PostAsync(path, new StringContent(json, new System.Net.Http.Headers.MediaTypeHeaderValue("application/json")));

    public static Task<JsonElement> JsonAsync(this HttpResponseMessage answer) => answer.Content.ReadFromJsonAsync<JsonElement>();

    /// <summary>Waits until something is so in the database.</summary>
    /// <exception cref="TimeoutException">It was not within 20 s.</exception>
    public static Task UntilAsync(this TestApp app, Func<EmailDb, Task<bool>> isSo) => Eventually.IsAsync(() => app.QueryAsync(isSo), Limit);

    /// <summary>A connection of the test's own, beside the app's.</summary>
    public static async Task<NpgsqlConnection> ConnectAsync(this TestApp app)
    {
        var connection = new NpgsqlConnection(app.ConnectionString);
        await connection.OpenAsync();
        return connection;
    }

    /// <summary>Rows of everything that an accept writes.</summary>
    public static Task<int> StoredRowsAsync(this TestApp app) => app.QueryAsync(async db =>
        await db.Emails.CountAsync() + await db.Recipients.CountAsync() + await db.Contents.CountAsync() + await db.Blobs.CountAsync()
        + await db.Set<BlobUse>().CountAsync() + await db.Queue.CountAsync() + await db.Events.CountAsync() + await db.Set<IdempotencyKey>().CountAsync());

    /// <summary>The tables in which a text stands anywhere, as text or as bytes.</summary>
    public static async Task<IReadOnlyList<string>> TablesWithAsync(this TestApp app, string text)
    {
        await using var connection = await app.ConnectAsync();
        var tables = new List<string>();
        await using (var list = new NpgsqlCommand("select format('%I.%I', schemaname, tablename) from pg_tables where schemaname not in ('pg_catalog', 'information_schema')", connection))
        await using (var reader = await list.ExecuteReaderAsync())
            while (await reader.ReadAsync()) tables.Add(reader.GetString(0));

        var found = new List<string>();
        foreach (var table in tables)
        {
            await using var search = new NpgsqlCommand($"select exists(select from {table} t where position($1 in t::text) > 0 or position($2 in t::text) > 0)", connection);
            search.Parameters.Add(new() { Value = text });
            search.Parameters.Add(new() { Value = Convert.ToHexStringLower(Encoding.UTF8.GetBytes(text)) });
            if (await search.ExecuteScalarAsync() is true) found.Add(table);
        }

        return found;
    }
}
