using System.Net;
using System.Net.Sockets;
using System.Text;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Tests.Suppressions;

/// <summary>Many addresses at once, in the shapes that people and programs make of them.</summary>
public sealed class ImportSuppressionsTests(SharedApp shared) : IClassFixture<SharedApp>, IAsyncLifetime
{
    TestApp app = null!;

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => app = await shared.BeginAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    Task<List<string>> AddressesAsync() => app.QueryAsync(db => db.Suppressions.OrderBy(s => s.Address).Select(s => s.Address).ToListAsync(Cancel));

    [Theory]
    [InlineData("a@example.jp\nb@example.jp\n")]
    [InlineData("\uFEFFa@example.jp\r\nb@example.jp")]
    [InlineData("\uFEFFemail\r\n\"a@example.jp\"\r\n\r\nB@Example.jp\r\n")]
    [InlineData("reason, Email ,stream\nmanual,a@example.jp,\n,b@example.jp,transactional\n")]
    [InlineData("\"a@example.jp\"\n  b@example.jp  \n\n\n")]
    [InlineData("email,source,created_at,email_id\na@example.jp,bounce,2020-01-01T00:00:00Z,em_1\nb@example.jp,,,\n")]
    public async Task Lists_come_with_and_without_header_byte_order_mark_quotes_and_line_ends_of_any_kind(string csv)
    {
        var (status, body) = await app.Http.ImportAsync(csv);

        Assert.True(status is HttpStatusCode.OK, body.GetRawText());
        Assert.Equal((2, 2, 0, 0), (Number("lines"), Number("added"), Number("known"), Number("refused")));
        Assert.Equal(["a@example.jp", "b@example.jp"], await AddressesAsync());
        Assert.All(await app.Http.ListAsync("/v1/suppressions"), s => Assert.Equal("import", s.Text("source")));

        int Number(string name) => body.GetProperty(name).GetInt32();
    }

    [Fact]
    public async Task Json_lines_say_the_same_as_a_request()
    {
        var (status, body) = await app.Http.ImportAsync("""
            {"email": "a@example.jp", "reason": "complaint", "stream": "transactional", "expires_at": "2099-01-01T00:00:00Z"}
            {"email": "\"a b\"@example.jp", "source": "bounce", "created_at": null, "email_id": null}
            {"email": "c@example.jp", "extra": 1}
            {"email": "d@example.jp"
            ["e@example.jp"]
            null
            {"reason": "manual"}
            """, "?mode=permissive", "application/x-ndjson");

        Assert.True(status is HttpStatusCode.OK, body.GetRawText());
        Assert.Equal((7, 2, 5), (body.GetProperty("lines").GetInt32(), body.GetProperty("added").GetInt32(), body.GetProperty("refused").GetInt32()));
        Assert.Equal([(3, "unknown_field"), (4, "malformed_json"), (5, "malformed_json"), (6, "required"), (7, "invalid_address")],
            body.GetProperty("errors").EnumerateArray().Select(e => (e.GetProperty("line").GetInt32(), e.Text("code"))));
        var first = Assert.Single(await app.Http.ListAsync("/v1/suppressions?address=a@example.jp"));
        Assert.Equal(("complaint", "transactional"), (first.Text("reason"), first.Text("stream")));
        Assert.Equal(2099, first.GetProperty("expires_at").GetDateTimeOffset().Year);
    }

    [Fact]
    public async Task Strict_takes_nothing_where_a_line_is_wrong_and_permissive_the_good_ones()
    {
        var csv = string.Join('\n',
            "email,reason,expires_at", "a@example.jp,,", "nobody,,", "b@example.jp,hunger,", "\"c@example.jp,,", "d@example.jp,,2020-01-01T00:00:00Z", "e@example.jp", $"{new string('f', 5000)},,", "g@example.jp,,");

        var strict = await app.Http.ImportAsync(csv);
        var before = await AddressesAsync();
        var permissive = await app.Http.ImportAsync(csv, "?mode=permissive");
        var wrong = await app.Http.ImportAsync(csv, "?mode=careless");

        Assert.Equal((HttpStatusCode.UnprocessableEntity, HttpStatusCode.OK, HttpStatusCode.BadRequest), (strict.Status, permissive.Status, wrong.Status));
        Assert.Empty(before);
        string[] expected = ["3 invalid_address", "4 unknown_value", "5 quotes", "6 in_the_past", "7 columns", "8 too_long"];
        Assert.Equal(expected, strict.Body.GetProperty("errors").EnumerateArray().Select(e => $"{e.Text("pointer")["#/line/".Length..]} {e.Text("code")}"));
        Assert.Equal(expected, permissive.Body.GetProperty("errors").EnumerateArray().Select(e => $"{e.GetProperty("line")} {e.Text("code")}"));
        Assert.Contains("6 of 8", strict.Body.Text("detail"), StringComparison.Ordinal);
        Assert.Equal(["a@example.jp", "g@example.jp"], await AddressesAsync());
    }

    [Fact]
    public async Task What_cannot_be_read_at_all_is_refused_as_a_whole()
    {
        var column = await app.Http.ImportAsync("email,colour\na@example.jp,red", "?mode=permissive");
        var twice = await app.Http.ImportAsync("email,EMAIL\na@example.jp,b@example.jp", "?mode=permissive");
        var empty = await app.Http.ImportAsync("\r\n\r\n");
        var json = await app.Http.ImportAsync("""{"email": "a@example.jp"}""", type: "application/json");
        var shiftJis = await app.Http.ImportAsync([0x83, 0x5E, (byte)'@', (byte)'x', (byte)'.', (byte)'j', (byte)'p'], "?mode=permissive");

        Assert.Equal((422, 422, 422, 415), ((int)column.Status, (int)twice.Status, (int)empty.Status, (int)json.Status));
        Assert.Contains("colour", column.Body.Text("detail"), StringComparison.Ordinal);
        Assert.Equal("not_utf8", shiftJis.Body.GetProperty("errors")[0].Text("code"));
        Assert.Empty(await AddressesAsync());
    }

    [Fact]
    public async Task A_hundred_thousand_lines_are_taken_and_the_first_thousand_faults_named()
    {
        var lines = new StringBuilder("email,reason\r\n");
        for (var i = 0; i < 100_000; i++) lines.Append(i % 50 == 49 ? $"broken{i}\r\n" : $"r{i}@example.jp,complaint\r\n");

        var (status, body) = await app.Http.ImportAsync(lines.ToString(), "?mode=permissive");

        Assert.True(status is HttpStatusCode.OK, body.GetRawText());
        Assert.Equal((100_000, 98_000, 2000, 1000), (body.GetProperty("lines").GetInt32(), body.GetProperty("added").GetInt32(), body.GetProperty("refused").GetInt32(), body.GetProperty("errors").GetArrayLength()));
        Assert.Equal((51, 50_001), (body.GetProperty("errors")[0].GetProperty("line").GetInt32(), body.GetProperty("errors")[999].GetProperty("line").GetInt32()));
        Assert.Equal(98_000, await app.QueryAsync(db => db.Suppressions.CountAsync(Cancel)));
        Assert.Equal("suppressed", (await app.AcceptAsync(TestApp.Mail("r4711@example.jp"))).Text("status"));
    }

    [Fact]
    public async Task Two_imports_of_the_same_addresses_at_once_add_each_once()
    {
        var addresses = Enumerable.Range(0, 30_000).Select(i => $"r{i}@example.jp").ToList();

        var answers = await Task.WhenAll(
            app.Http.ImportAsync(string.Join('\n', addresses)), app.Http.ImportAsync(string.Join('\n', Enumerable.Reverse(addresses))), app.Http.ImportAsync(string.Join('\n', addresses.Concat(addresses))));

        Assert.All(answers, a => Assert.Equal(HttpStatusCode.OK, a.Status));
        Assert.Equal(30_000, answers.Sum(a => a.Body.GetProperty("added").GetInt32()));
        Assert.Equal(90_000, answers.Sum(a => a.Body.GetProperty("known").GetInt32()));
        Assert.Equal(30_000, await app.QueryAsync(db => db.Suppressions.CountAsync(Cancel)));
    }

    [Fact]
    public async Task An_import_never_weakens_what_a_person_said()
    {
        await app.SuppressAsync("a@example.jp", "complaint");

        var (_, body) = await app.Http.ImportAsync("email,reason,expires_at\na@example.jp,moved,2099-01-01T00:00:00Z\n");

        Assert.Equal((0, 1), (body.GetProperty("added").GetInt32(), body.GetProperty("known").GetInt32()));
        var left = Assert.Single(await app.Http.ListAsync("/v1/suppressions"));
        Assert.Equal(("complaint", "manual", ""), (left.Text("reason"), left.Text("source"), left.Text("expires_at")));
    }

    [Theory]
    [InlineData("csv", "text/csv")]
    [InlineData("ndjson", "application/x-ndjson")]
    public async Task What_is_exported_can_be_imported_as_it_was_and_no_spreadsheet_takes_it_for_a_formula(string format, string type)
    {
        string[] addresses =
        [
            "=cmd|a!x@example.jp", "+a@example.jp", "-a@example.jp", "'=a@example.jp", "''-a@example.jp", "'a@example.jp", "\"@sum(a1)\"@example.jp", "\"a,b\"@example.jp", "\"a\\\"b\"@example.jp",
            "＝a@example.jp", "taro@例え.jp", "\"a b\"@example.jp",
        ];
        foreach (var address in addresses) await app.SuppressAsync(address, "complaint");
        await app.SuppressAsync("taro@example.jp", "unsubscribe", "transactional", DateTimeOffset.UtcNow.AddDays(9));

        using var answer = await app.Http.GetAsync($"/v1/suppressions/export?format={format}");
        var exported = await answer.Content.ReadAsStringAsync(Cancel);
        var before = await RowsAsync();
        await app.ExecuteAsync("delete from suppressions");
        var (status, body) = await app.Http.ImportAsync(exported, type: type);

        Assert.Equal((type, "attachment"), (answer.Content.Headers.ContentType?.MediaType, answer.Content.Headers.ContentDisposition?.DispositionType));
        Assert.True(status is HttpStatusCode.OK, body.GetRawText());
        Assert.Equal(before, await RowsAsync());
        if (format == "csv") Assert.All(exported.Split("\r\n"), line => Assert.DoesNotContain((line.StartsWith('"') ? line[1..] : line).FirstOrDefault(), "=+-@＝"));

        Task<List<string>> RowsAsync() => app.QueryAsync(db => db.Suppressions.OrderBy(s => s.Address).Select(s => $"{s.Address} {s.Reason} {s.Stream} {s.ExpiresAt}").ToListAsync(Cancel));
    }

    [Fact]
    public async Task A_slow_upload_keeps_nobody_waiting_and_one_that_breaks_off_changes_nothing()
    {
        using var slow = await BeginAsync("a@example.jp\nb@exa");
        using var broken = await BeginAsync("c@example.jp\nd@example.jp\n");

        var (status, _) = await app.Http.ImportAsync("e@example.jp");
        await app.Http.GetStringAsync("/v1/suppressions", Cancel);
        broken.Client.LingerState = new(true, 0);
        broken.Close();
        await WriteAsync(slow, "mple.jp\n");
        await WriteAsync(slow, "");
        var answer = await new StreamReader(slow.GetStream()).ReadLineAsync(Cancel);

        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal("HTTP/1.1 200 OK", answer);
        Assert.Equal(["a@example.jp", "b@example.jp", "e@example.jp"], await AddressesAsync());
    }

    [Fact]
    public async Task Too_large_a_file_is_refused_before_it_is_sent_and_too_many_at_once_are_told_to_wait()
    {
        using var large = await ConnectAsync("Content-Length: 256000001\r\nExpect: 100-continue");
        var tooLarge = await new StreamReader(large.GetStream()).ReadLineAsync(Cancel);
        var open = new List<TcpClient>();
        try
        {
            await Eventually.IsAsync(async () =>
            {
                open.Add(await BeginAsync("a@example.jp\n"));   // one may come while the look has the last place
                return (await app.Http.ImportAsync("b@example.jp")).Status is HttpStatusCode.TooManyRequests;
            }, TimeSpan.FromSeconds(20));
        }
        finally
        {
            open.ForEach(o => o.Dispose());
        }

        await Eventually.IsAsync(async () => (await app.Http.ImportAsync("b@example.jp")).Status is HttpStatusCode.OK, TimeSpan.FromSeconds(20));

        Assert.Equal("HTTP/1.1 413 Payload Too Large", tooLarge);
        Assert.Equal(["b@example.jp"], await AddressesAsync());
    }

    async Task<TcpClient> BeginAsync(string lines)
    {
        var client = await ConnectAsync("Transfer-Encoding: chunked");
        await WriteAsync(client, new string('\n', 200_000));   // the server cuts off who sends less than 240 bytes a second on average, and a machine under load is slow
        await WriteAsync(client, lines);
        return client;
    }

    async Task<TcpClient> ConnectAsync(string header)
    {
        var client = new TcpClient();
        await client.ConnectAsync("127.0.0.1", app.Http.BaseAddress!.Port, Cancel);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(
            $"POST /v1/suppressions/import HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TestApp.Key}\r\nContent-Type: text/csv\r\n{header}\r\n\r\n"), Cancel);
        return client;
    }

    /// <summary>A chunk; an empty one ends the body.</summary>
    static Task WriteAsync(TcpClient client, string chunk) =>
        client.GetStream().WriteAsync(Encoding.UTF8.GetBytes($"{Encoding.UTF8.GetByteCount(chunk):x}\r\n{chunk}\r\n"), Cancel).AsTask();
}
