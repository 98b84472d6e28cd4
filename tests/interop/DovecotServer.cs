using System.Globalization;
using EmailApi.Benchmarks.Servers;

namespace EmailApi.Interop;

/// <summary>A Dovecot of our own that serves one Maildir to whoever knows the password.</summary>
sealed class DovecotServer : IAsyncDisposable
{
    public const string Password = "correct-horse";

    readonly ChildProcess process;

    DovecotServer(ChildProcess process, int port) => (this.process, Port) = (process, port);

    public int Port { get; }

    public static async Task<DovecotServer> StartAsync(WorkFolder work, string maildir, CancellationToken cancel)
    {
        var dovecot = Machine.Find("dovecot", "dovecot-imapd");
        var (folder, port) = (work.NewFolder("dovecot"), Machine.FreePort());
        var configuration = Path.Combine(folder, "dovecot.conf");
        await File.WriteAllTextAsync(configuration, $$"""
            base_dir = {{folder}}/run
            log_path = {{folder}}/dovecot.log
            protocols = imap
            listen = 127.0.0.1
            ssl = no
            disable_plaintext_auth = no
            mail_location = maildir:{{maildir}}
            first_valid_uid = 1
            passdb {
              driver = static
              args = password={{Password}}
            }
            userdb {
              driver = static
              args = uid={{Mailbox.Nobody}} gid={{Mailbox.Nobody}} home={{folder}}
            }
            service imap-login {
              inet_listener imap {
                port = {{port.ToString(CultureInfo.InvariantCulture)}}
              }
              inet_listener imaps {
                port = 0
              }
            }

            """, cancel);
        var server = new DovecotServer(ChildProcess.Start(Path.Combine(folder, "out.log"), [dovecot, "-F", "-c", configuration]), port);
        try
        {
            await Machine.ListensAsync(port, "Dovecot", TimeSpan.FromSeconds(10), cancel);
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    public ValueTask DisposeAsync() => process.DisposeAsync();
}
