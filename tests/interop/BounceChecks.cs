using EmailApi.Benchmarks.Servers;

namespace EmailApi.Interop;

/// <summary>Reports as Postfix writes them, to the bounce listener and into a mailbox that Dovecot serves.</summary>
static class BounceChecks
{
    const string BounceDomain = "bounce.example";
    const string Sender = "orders@shop.example";

    public static async Task RunAsync(Checks checks, WorkFolder folder, Database database)
    {
        var cancel = checks.Cancel;
        var bouncePort = Machine.FreePort();
        // It takes mail for everybody of the domain and knows one of them: the others come back.
        await using var mailbox = await Mailbox.StartAsync(folder, "mailbox-bounces", cancel, new Dictionary<string, string>
        {
            ["virtual_mailbox_domains"] = $"{Mailbox.Domain} shop.example",
            ["virtual_mailbox_maps"] = $"inline:{{taro@{Mailbox.Domain}=all/, {Sender}=all/}}",
            ["smtpd_reject_unlisted_recipient"] = "no",
            ["transport_maps"] = $"inline:{{ {{ {BounceDomain} = smtp:[127.0.0.1]:{bouncePort} }} }}",
        });

        var listening = new Dictionary<string, string>(EmailApiServer.RelaySettings(mailbox.Port, 5))
        {
            ["EmailApi__Bounce__Domain"] = BounceDomain,
            ["EmailApi__Bounce__Port"] = bouncePort.ToString(System.Globalization.CultureInfo.InvariantCulture),
            ["EmailApi__Bounce__ReportsDelivery"] = "true",
        };
        await using (var app = await EmailApiServer.StartAsync(folder, await database.CreateAsync(cancel), listening, cancel))
        {
            await checks.CheckAsync("Postfix's bounce of an unknown user ends the recipient bounced, with its reply, and suppresses the address", async () =>
            {
                var email = await app.WaitForAsync(await app.SendAsync(Api.Mail($"gone@{Mailbox.Domain}"), cancel), "bounced", cancel);

                var recipient = email.GetProperty("recipients")[0];
                Checks.Equal("unknown_user", recipient.GetProperty("reason").GetString(), "the reason");
                Checks.Equal("5.1.1", recipient.GetProperty("last_reply").GetProperty("enhanced").GetString(), "the enhanced code");
                await app.WaitForAsync(await app.SendAsync(Api.Mail($"gone@{Mailbox.Domain}"), cancel), "suppressed", cancel);
            });

            await checks.CheckAsync("Postfix's report of success ends the recipient delivered", async () =>
                await app.WaitForAsync(await app.SendAsync(Api.Mail($"taro@{Mailbox.Domain}"), cancel), "delivered", cancel));
        }

        await using var imap = await DovecotServer.StartAsync(folder, mailbox.Folder, cancel);
        var reading = new Dictionary<string, string>(EmailApiServer.RelaySettings(mailbox.Port, 5))
        {
            ["EmailApi__Bounce__Mailbox__Host"] = "127.0.0.1",
            ["EmailApi__Bounce__Mailbox__Port"] = imap.Port.ToString(System.Globalization.CultureInfo.InvariantCulture),
            ["EmailApi__Bounce__Mailbox__Security"] = "none",
            ["EmailApi__Bounce__Mailbox__Username"] = Sender,
            ["EmailApi__Bounce__Mailbox__Password"] = DovecotServer.Password,
        };
        await using (var app = await EmailApiServer.StartAsync(folder, await database.CreateAsync(cancel), reading, cancel))
        {
            await checks.CheckAsync("Without a bounce domain Postfix's bounce comes to the sender's mailbox, and Dovecot's IMAP shows it to the app", async () =>
            {
                var id = await app.SendAsync(Api.Mail($"gone@{Mailbox.Domain}"), cancel);
                await app.WaitForAsync(id, "bounced", cancel, TimeSpan.FromSeconds(130));   // the mailbox is read each minute
            });
        }
    }
}
