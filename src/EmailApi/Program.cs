using EmailApi.Admin;
using EmailApi.Bounces;
using EmailApi.Capture;
using EmailApi.Data;
using EmailApi.Delivery;
using EmailApi.Emails;
using EmailApi.Events;
using EmailApi.Http;
using EmailApi.Limits;
using EmailApi.Operations;
using EmailApi.Pauses;
using EmailApi.Projects;
using EmailApi.Relays;
using EmailApi.Restore;
using EmailApi.Statistics;
using EmailApi.Suppressions;
using EmailApi.Tracking;
using EmailApi.Webhooks;

namespace EmailApi;

public static class Program
{
    public static async Task<int> Main(string[] args)
    {
        try
        {
            if (AdminCommands.Find(args) is { } command) return await command();
            await using var app = await BuildAsync(args);
            await app.RunAsync();
            return Environment.ExitCode;
        }
        catch (Exception error) when (StartRefusals.SentenceOf(error) is { } sentence)
        {
            await Console.Error.WriteLineAsync(sentence);
            return 1;
        }
        catch (OperationCanceledException) when (Environment.ExitCode != 0)
        {
            return Environment.ExitCode;   // refused before the start was through; PrepareDatabase has said why
        }
    }

    /// <summary>The app's table of contents, in the order an email passes it.</summary>
    public static async Task<WebApplication> BuildAsync(string[] args)
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });

        var settings = builder.AddSettings();   // read and checked before anything is started
        builder.AddHttp();            // problem details, JSON, limits, OpenAPI
        await builder.AddDataAsync(settings);   // EmailDb, the hot paths' connections and the Hangfire storage, all on one PostgreSQL
        builder.AddProjects();        // keys and what they may do
        builder.AddLimits();          // how many mails may come in, and how many did
        builder.AddCapture();         // the relay that keeps mail here
        builder.AddRelays();          // the smarthosts mail is handed to
        builder.AddEmails();          // request → validated → checked → stored
        builder.AddDelivery(settings);   // claimed → relayed → recorded
        builder.AddBounces();         // what comes back
        builder.AddTracking(settings);   // what readers do with it
        builder.AddRestore();         // what leaves nothing: a database that was restored
        builder.AddPauses(settings);   // the emergency stop
        builder.AddSuppressions(settings);   // addresses that must not be mailed
        builder.AddStatistics();      // what became of it, counted
        builder.AddWebhooks(settings);   // events told to who wants to know
        builder.AddOperations(settings);   // jobs, metrics

        var app = builder.Build();
        app.UseDatabase();
        app.UseHttp();
        app.MapOperations();
        if (settings.Accepts)
        {
            app.MapProjects();
            app.MapEmails();
            app.MapLimits();
            app.MapPauses();
            app.MapSuppressions();
            app.MapEvents();
            app.MapStatistics();
            app.MapWebhooks();
            app.MapBounces();
            app.MapTracking();
            app.MapCaptured();
            app.MapDashboard();
            app.MapOpenApi();
        }

        return app;
    }
}
