namespace EmailApi.Relays;

/// <summary>The smarthosts mail is handed to.</summary>
public static class RelaysSetup
{
    public static void AddRelays(this WebApplicationBuilder builder) => builder.Services.AddSingleton<RelayCatalog>();
}
