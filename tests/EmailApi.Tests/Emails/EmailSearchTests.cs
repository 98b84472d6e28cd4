using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Tests.Emails;

/// <summary>6,000 mails, a second apart; the older 1,500 have what the newer have not.</summary>
public sealed class MuchMail : IAsyncLifetime
{
    public TestApp App { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        App = await TestApp.StartAsync();
        await App.ExecuteAsync("""
            create table mails as
            select i, (lpad(to_hex((extract(epoch from now()) * 1000)::bigint - i * 1000), 12, '0') || '70008000' || lpad(to_hex(i), 12, '0'))::uuid as id,
                   now() - i * interval '1 second' as at,
                   case when i > 4500 and i % 50 = 0 then 'seldom' else 'bootstrap' end as key,
                   case when i % 3 = 0 then 'transactional' when i > 4500 and i % 31 = 0 then 'alert' else 'otp' end as stream,
                   case when i > 4500 and i % 7 = 0 then '見積書 ' || i || ' のご案内' when i > 4500 and i % 11 = 0 then 'Disk ' || i || ' is full' when i % 2 = 0 then 'zz top: order ' || i else 'Your code' end as subject,
                   case when i > 4500 and i % 13 = 0 then jsonb_build_object('campaign', 'c' || i % 3) when i % 5 = 0 then jsonb_build_object('order', i::text) end as tags,
                   case when i % 100 = 0 or i > 5900 then 'often@example.jp' else 'customer-' || i || '@example.com' end as address,
                   case when i > 4500 and i % 17 = 0 then 'bounced' when i % 4 = 0 then 'delivered' else 'sent' end as state,
                   i % 10 = 0 as has_two
            from generate_series(1, 6000) i;
            insert into emails (id, project_id, key_id, stream, from_address, subject, internet_message_id, envelope, is_sensitive, tags, created_at, expires_at)
            select id, 1, key, stream, 'shop@example.jp', subject, id || '@example.jp', 'shared', false, tags, at, at + interval '2 days' from mails;
            insert into recipients (email_id, n, project_id, address, kind, state, attempts, sequence, final_at)
            select id, 1, 1, address, 'to', state, 1, 2, at from mails union all select id, 2, 1, 'second@example.jp', 'to', 'sent', 1, 2, at from mails where has_two;
            analyze emails; analyze recipients;
            """);
    }

    public ValueTask DisposeAsync() => App.DisposeAsync();
}

/// <summary>The log with more mail than the sample holds that its search begins with: whatever way a filter takes then, it finds the same.</summary>
public sealed class EmailSearchTests(MuchMail mail) : IClassFixture<MuchMail>
{
    readonly TestApp app = mail.App;

    [Theory]
    [InlineData("subject=案内", "subject like '%案内%'")]
    [InlineData("subject=積", "subject like '%積%'")]
    [InlineData("subject=見積書 5005 の", "subject like '%見積書 5005 の%'")]
    [InlineData("subject=disk", "subject like 'Disk%'")]
    [InlineData("subject=k 5005 Is", "subject like '%k 5005 is%'")]
    [InlineData("subject=ful", "subject like '%ful%'")]
    [InlineData("subject=46", "subject like '% 46%'")]
    [InlineData("subject=Zz", "subject like 'zz%'")]
    [InlineData("subject=op: o", "subject like '%op: o%'")]
    [InlineData("subject=nothing of it", "false")]
    [InlineData("tag=campaign", "tags ? 'campaign'")]
    [InlineData("tag=campaign:c1", "tags->>'campaign' = 'c1'")]
    [InlineData("tag=order:5500", "tags->>'order' = '5500'")]
    [InlineData("status=bounced", "state = 'bounced' and not has_two")]
    [InlineData("status=partial", "state = 'bounced' and has_two")]
    [InlineData("status=partial&stream=otp", "state = 'bounced' and has_two and stream = 'otp'")]
    [InlineData("status=sent&stream=alert", "(state = 'sent' or state = 'delivered' and has_two) and stream = 'alert'")]
    [InlineData("status=bounced&tag=campaign", "state = 'bounced' and not has_two and tags ? 'campaign'")]
    [InlineData("status=delivered&subject=案内", "state = 'delivered' and not has_two and subject like '%案内%'")]
    [InlineData("key=seldom&status=sent", "key = 'seldom' and (state = 'sent' or state = 'delivered' and has_two)")]
    [InlineData("key=seldom&stream=transactional", "key = 'seldom' and stream = 'transactional'")]
    [InlineData("address=often@example.jp&subject=disk", "address = 'often@example.jp' and subject like 'Disk%'")]
    [InlineData("address=second@example.jp&tag=campaign&stream=otp", "has_two and tags ? 'campaign' and stream = 'otp'")]
    [InlineData("stream=alert&subject=code&status=sent", "stream = 'alert' and subject = 'Your code' and (state = 'sent' or state = 'delivered' and has_two)")]
    public async Task A_filter_finds_what_it_means_however_far_back_it_is(string query, string meant)
    {
        var expected = await IdsAsync($"select id as \"Value\" from mails where {meant} order by id desc");

        Assert.Equal(expected, await PagesAsync(query));
    }

    Task<List<Guid>> IdsAsync(string sql) => app.QueryAsync(db => db.Database.SqlQueryRaw<Guid>(sql).ToListAsync());

    async Task<List<Guid>> PagesAsync(string query)
    {
        var (ids, cursor) = (new List<Guid>(), (string?)"");
        for (var pages = 0; cursor is not null && pages < 200; pages++)
        {
            var page = await app.GetAsync($"/v1/emails?limit=100&after={cursor}&{string.Join('&', query.Split('&').Select(p => p.Split('=') is [var name, var value] ? $"{name}={Uri.EscapeDataString(value)}" : p))}");
            ids.AddRange(page.GetProperty("data").EnumerateArray().Select(e => Guid.ParseExact(e.Text("id")["em_".Length..], "n")));
            cursor = page.GetProperty("next_cursor").GetString();
        }

        return ids;
    }
}
