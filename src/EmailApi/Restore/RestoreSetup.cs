namespace EmailApi.Restore;

/// <summary>Nothing leaves a restored database until a person releases it.</summary>
public static class RestoreSetup
{
    public static void AddRestore(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<Witness>();
        builder.Services.AddSingleton<LastWork>();
        builder.Services.AddSingleton<EpochCheck>();
        builder.Services.AddHostedService<WatchEpoch>();
    }
}
